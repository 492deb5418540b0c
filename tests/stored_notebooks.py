"""Notebooks as they are stored: executed from top to bottom, with what came out of every cell.

``python tests/stored_notebooks.py notebooks/*.ipynb`` executes notebooks and stores them. Figures
are SVG without a date, cells keep no times, and a sum over the code tells whether it was edited
after the outputs were made. What is optional cannot be imported: a notebook runs with what
``pip install tl_steer[notebook]`` brings.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
LARGEST = 400_000
"""Bytes of a stored notebook."""

_FIGURES = (
    "--InlineBackend.figure_formats=['svg']",
    "--InlineBackend.rc={'svg.hashsalt': 'tl_steer'}",
    "--InlineBackend.print_figure_kwargs={'bbox_inches': 'tight', 'metadata': {'Date': None}}",
)
_OPTIONAL = ("concept_erasure", "krippendorff", "optuna", "dask", "ray", "sae_lens")
_WITHOUT = f"--IPKernelApp.exec_lines=import sys; sys.modules.update(dict.fromkeys({_OPTIONAL!r}))"
# What belongs to the machine and the minute that made an output, and to no reader.
_STRAY = {
    "an absolute path": r"(?<![\w.<:/-])/(?:home|root|tmp|work|var|usr|opt|private|Users)/",
    "an address": r"\bat 0x[0-9a-f]{6,}",
    "a progress bar": r"\d(?:it/s|s/it)\b",
    "a date": r"<dc:date>",
}


def executed(path: Path) -> NotebookNode:
    """The notebook with the outputs of a fresh run, from top to bottom in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    # What the notebook's libraries tell each other of the names of their arguments.
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    client = NotebookClient(
        notebook,
        timeout=600,
        record_timing=False,
        extra_arguments=[*_FIGURES, _WITHOUT],
        resources={"metadata": {"path": path.parent}},
    )
    client.execute()
    notebook.metadata = {
        "kernelspec": notebook.metadata.kernelspec,
        "language_info": {"name": "python"},
        "tl_steer": {"sources": sum_of(notebook)},
    }
    return notebook


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def sum_of(notebook: NotebookNode) -> str:
    """Of all code, in order, but for what a formatter may change."""
    sources = json.dumps([re.sub(r"[\s,()]", "", cell.source) for cell in code_of(notebook)])
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def kinds(cell: NotebookNode) -> set[str]:
    """What a cell shows: streams by name, the rest by MIME type."""
    return {
        kind
        for output in cell.outputs
        for kind in (
            [output.name] if "name" in output else output.get("data", [output.output_type])
        )
    }


def faults(notebook: NotebookNode) -> Iterator[str]:
    """Why a notebook should not be stored as it is."""
    code = code_of(notebook)
    if [cell.execution_count for cell in code] != [*range(1, len(code) + 1)]:
        yield "its cells did not all run, once and in order"
    if notebook.metadata.get("tl_steer", {}).get("sources") != sum_of(notebook):
        yield "its code is not the code that was run"
    if len(nbformat.writes(notebook).encode()) >= LARGEST:
        yield f"it has {LARGEST} bytes or more"
    if any("execution" in cell.metadata for cell in notebook.cells):
        yield "it says when its cells ran"
    shown = set().union(*map(kinds, code))
    if unwanted := shown & {"error", "stderr", "image/png", "image/jpeg"}:
        yield f"it shows {sorted(unwanted)}"
    for number, cell in enumerate(code, 1):
        text = json.dumps(cell.outputs, ensure_ascii=False)
        for what, pattern in _STRAY.items():
            if found := re.search(pattern, text):
                yield f"cell {number} shows {what}: {text[max(found.start() - 20, 0) :][:60]}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name).resolve()
        fresh = executed(path)
        if wrong := [*faults(fresh)]:
            sys.exit(f"{name} was not stored: " + "; ".join(wrong))
        nbformat.write(fresh, path)
        print(f"{name}: {path.stat().st_size / 1000:.0f} kB")
