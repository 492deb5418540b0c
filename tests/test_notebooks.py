"""The notebooks, executed from top to bottom as a reader would, and as they are stored."""

from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from stored_notebooks import LARGEST, NOTEBOOKS, code_of, executed, faults, kinds, sum_of

COMMAND = "nox -s store_notebooks stores it anew"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each_notebook
def test_a_stored_notebook_is_whole(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert [*faults(notebook)] == [], COMMAND
    shown = set().union(*map(kinds, code_of(notebook)))
    assert shown & {"text/html", "image/svg+xml"}


@pytest.mark.packaged
@pytest.mark.notebook
@each_notebook
def test_a_notebook_runs_and_shows_what_is_stored(path: Path) -> None:
    fresh, stored = executed(path), nbformat.read(path, as_version=4)
    assert [*faults(fresh)] == []
    assert [kinds(cell) for cell in code_of(fresh)] == [kinds(cell) for cell in code_of(stored)]


def small_notebook() -> NotebookNode:
    """Two cells that ran; the second shows a figure."""
    figure = new_output("display_data", data={"image/svg+xml": "<svg/>"})
    cells = [new_code_cell("x = 1", execution_count=1), new_code_cell("x", execution_count=2)]
    cells[1].outputs = [figure]
    notebook = new_notebook(cells=cells)
    notebook.metadata["tl_steer"] = {"sources": sum_of(notebook)}
    return notebook


def test_a_whole_notebook_has_no_faults() -> None:
    assert [*faults(small_notebook())] == []
    assert kinds(small_notebook().cells[1]) == {"image/svg+xml"}


def test_what_should_not_be_stored_is_seen() -> None:
    printed = {
        "a path": "read /home/somebody/model.gguf",
        "an object": "<Model object at 0x7f12ab34cd>",
        "a bar": "4/4 [00:01<00:00, 3.10it/s]",
        "much": "x" * LARGEST,
    }
    for what, text in printed.items():
        notebook = small_notebook()
        notebook.cells[0].outputs = [new_output("stream", name="stdout", text=text)]
        assert len([*faults(notebook)]) == 1, what
    wrong = {what: deepcopy(small_notebook()) for what in ("edited", "not run", "timed", "warned")}
    wrong["edited"].cells[0].source = "x = 2"
    wrong["not run"].cells[1].execution_count = None
    wrong["timed"].cells[0].metadata["execution"] = {"iopub.status.busy": "2026-01-01"}
    wrong["warned"].cells[0].outputs = [new_output("stream", name="stderr", text="careful")]
    assert {what: len([*faults(notebook)]) for what, notebook in wrong.items()} == dict.fromkeys(
        wrong, 1
    )
