"""A study as values, and on disk."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from frames_of import (
    HOSTILE,
    JUDGE,
    PROMPTS,
    cells_of,
    chosen,
    controlled_of,
    results_of,
    texts_of_cells,
)

from tl_steer.errors import DataError, StorageError
from tl_steer.files.csv_cells import guarded, unguarded
from tl_steer.reports._results import StudyResults

FILES = {
    "report.html",
    "report.md",
    "cells.parquet",
    "texts.parquet",
    "table.csv",
    "chosen.csv",
    "controls.csv",
    "controlled_texts.parquet",
    "verdicts.csv",
    "per_prompt.csv",
    "people.csv",
    "facts.json",
}


def study(**changes: Any) -> StudyResults:
    given: dict[str, Any] = {
        "cells": cells_of({"mean difference": 1.0}, layers=[17], controls=2, strengths=[1.0, 2.0]),
        "texts": texts_of_cells(prompts=[*PROMPTS[:2], HOSTILE], samples=2, anti=[]),
        "controlled": {"mean difference": controlled_of(0.2, controls=3, shuffled=None)},
    }
    return results_of(**(given | changes))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_what_is_written_is_what_was_found(tmp_path: Path) -> None:
    results = study()
    folder = results.save(tmp_path / "a" / "study")
    assert names(folder) == FILES
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "cells.parquet"), results.cells)
    texts = pd.read_parquet(folder / "texts.parquet")
    assert list(texts["prompt"]) == list(results.texts["prompt"])
    assert [list(tokens) for tokens in texts["tokens"]] == list(results.texts["tokens"])
    pd.testing.assert_frame_equal(pd.read_csv(folder / "table.csv"), results.table)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    assert facts["facts"] == dict(results.facts)
    assert facts["judge"] == JUDGE
    assert facts["verdicts"]["mean difference"].startswith("mean difference beats")
    controls = pd.read_csv(folder / "controls.csv")
    assert set(controls["direction"]) == {"mean difference"}
    assert (controls["kind"] == "random").sum() == 3
    assert results.html() == (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("formula", ["=1+1", '=HYPERLINK("x")', "+1", "-1+2", "@SUM(A1)", "\t=1"])
def test_no_cell_of_a_table_is_a_formula(tmp_path: Path, formula: str) -> None:
    frame = pd.DataFrame({formula: [formula, "plain"], "n": [-1.5, 2.0]})
    folder = study(table=frame, people=frame.rename_axis("rater")).save(tmp_path)
    for name in ("table.csv", "people.csv"):
        found = pd.read_csv(folder / name)
        assert list(found["n"]) == [-1.5, 2.0]
        for cell in (*found.columns, *found.select_dtypes("str").to_numpy().ravel()):
            assert guarded(cell) == cell or cell.startswith("'")
        assert unguarded(str(found.columns[-2])) == formula
        assert [unguarded(cell) for cell in found.iloc[:, -2]] == [formula, "plain"]


def test_the_pictures_of_the_markdown_lie_beside_it(tmp_path: Path) -> None:
    folder = study().save(tmp_path)
    named = re.findall(r"\]\((figures/.*?\.svg)\)", (folder / "report.md").read_text("utf-8"))
    assert {path.name for path in (folder / "figures").iterdir()} == {
        Path(name).name for name in named
    }
    assert len(named) == 4
    for name in named:
        assert (folder / name).read_bytes().startswith(b"<svg ")


def test_what_is_empty_is_not_written(tmp_path: Path) -> None:
    empty = pd.DataFrame()
    nothing: dict[str, Any] = dict.fromkeys(("cells", "texts", "table", "chosen"), empty)
    folder = study(**nothing, controlled={}, people=None).save(tmp_path)
    assert names(folder) == {"report.html", "report.md", "facts.json"}
    assert not (folder / "figures").exists()
    assert json.loads((folder / "facts.json").read_text("utf-8"))["headline"] is None


def test_saving_again_replaces_and_leaves_other_files_alone(tmp_path: Path) -> None:
    study().save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    study(title="A second one").save(str(tmp_path))
    assert "A second one" in (tmp_path / "report.html").read_text("utf-8")
    assert names(tmp_path) == {*FILES, "notes.txt"}
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_disk_that_fills_up_leaves_the_old_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study().save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    written = iter(range(5))

    def full(_: int) -> None:
        if next(written, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tl_steer.files.writing.os.fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device.*lay there are whole"):
        study(title="A second one").save(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written there"):
        study().save(tmp_path / "file" / "study")


def test_texts_that_utf_8_cannot_hold_are_written_all_the_same(tmp_path: Path) -> None:
    lone = "\ud800"
    folder = study(
        title=f"A {lone} title",
        facts={"model": lone},
        limits=[lone],
        people=pd.DataFrame({"text": pd.Series([lone], dtype=object)}),
    ).save(tmp_path)
    assert pd.read_csv(folder / "people.csv")["text"].tolist() == ["\N{REPLACEMENT CHARACTER}"]
    assert names(folder) == FILES


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": " "}, "title is empty"),
        ({"judge": ""}, "judge is empty"),
        ({"judge": "vader"}, r"cells lacks the columns \['vader'\]"),
        ({"cells": cells_of(controls=0).drop(columns="dose")}, r"cells lacks the columns \['dose'"),
        ({"texts": texts_of_cells().drop(columns="prompt")}, r"texts lacks the columns \['prompt'"),
        ({"chosen": chosen().drop(columns="strength")}, r"chosen lacks the columns \['strength'"),
        ({"limits": "One seed."}, "expected a list of texts, got 'One seed"),
    ],
)
def test_what_no_report_can_be_made_of_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        results_of(**changes)


def test_controls_of_another_judge_are_refused() -> None:
    judged = texts_of_cells().rename(columns={JUDGE: "vader"})
    cells = cells_of(controls=0).rename(columns={JUDGE: "vader"})
    with pytest.raises(DataError, match=r"judged by \['sentiment'\], and the headline judge is"):
        results_of(judge="vader", texts=judged, cells=cells)


def test_it_says_what_there_is() -> None:
    assert "7 cells, 12 texts, 1 directions beside controls" in repr(study())
