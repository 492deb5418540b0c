"""A study on disk: the report, its pictures, and everything in it as data."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tl_steer.errors import StorageError
from tl_steer.reports._as_html import page_of
from tl_steer.reports._as_markdown import PICTURES, markdown_of
from tl_steer.reports._per_prompt import effects_per_prompt
from tl_steer.reports._results import StudyResults
from tl_steer.reports._sections import sections_of
from tl_steer.reports._settings_shown import settings_shown
from tl_steer.reports._tables import write_csv
from tl_steer.reports._verdicts import headline, verdict_table, verdicts

# The report comes last: where it is, all that it speaks of is there.
_LAST = ("report.md", "report.html")


def save_results(results: StudyResults, folder: Path) -> Path:
    """Write a study; see :meth:`StudyResults.save`.

    Args:
        results: What was found.
        folder: Made where it is not there.

    Raises:
        StorageError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the files that they replace: a move within one disk is all or nothing.
        made = Path(tempfile.mkdtemp(prefix=".report-", dir=folder))
    except OSError as error:
        raise _refusal(folder, error) from error
    try:
        _write(results, made)
        files = [path for path in made.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path.name in _LAST, path)):
            target = folder / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except OSError as error:
        raise _refusal(folder, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _refusal(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{folder}: the report cannot be written there ({error.strerror or error}). Files that "
        "lay there are whole; give another folder, or make room."
    )


def _write(results: StudyResults, folder: Path) -> None:
    sections = sections_of(results)
    _text(folder / "report.html", page_of(results.title, sections))
    _text(folder / "report.md", markdown_of(results.title, sections))
    for section in sections:
        for picture in section.pictures:
            path = folder / PICTURES / f"{picture.name}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(picture.png)
    for name, frame in _frames(results).items():
        # A frame without columns could not be read again.
        if len(frame.columns):
            _frame(folder / name, frame)
    _text(folder / "facts.json", json.dumps(_facts(results), indent=2) + "\n")


def _facts(results: StudyResults) -> dict[str, object]:
    compared = results.controlled
    return {
        "title": results.title,
        "question": results.question,
        "judge": results.judge,
        "facts": dict(results.facts),
        "headline": headline(compared) if compared else None,
        "verdicts": verdicts(compared) if compared else {},
        "limits": list(results.limits),
        "agreement": results.agreement,
    }


def _frames(results: StudyResults) -> dict[str, pd.DataFrame]:
    found = {
        "cells.parquet": results.cells,
        "texts.parquet": results.texts,
        "table.csv": results.table,
        "chosen.csv": results.chosen,
    }
    if results.controlled:
        several = results.controlled.items()
        found["verdicts.csv"] = verdict_table(results.controlled)
        found["controls.csv"] = _stacked({name: each.frame for name, each in several})
        written = {name: each.generations.frame for name, each in several}
        found["controlled_texts.parquet"] = _stacked(written)
    shown = settings_shown(results)
    if shown:
        found["per_prompt.csv"] = pd.concat(
            [
                effects_per_prompt(each.texts, results.judge).assign(setting=each.label)
                for each in shown
            ]
        )
    more = {
        "people": results.people,
        "tried": results.tried,
        "separation": results.separation,
    }
    found |= {f"{name}.csv": each for name, each in more.items() if each is not None}
    return found


def _stacked(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [frame.assign(direction=name) for name, frame in frames.items()]
    return pd.concat(parts, ignore_index=True)


def _frame(path: Path, frame: pd.DataFrame) -> None:
    named = any(name is not None for name in frame.index.names)
    whole = frame.reset_index() if named else frame.reset_index(drop=True)
    for column in whole:
        if isinstance(whole[column].dtype, pd.StringDtype) or whole[column].dtype == object:
            whole[column] = whole[column].map(_sound)
    kinds: dict[str, Callable[[], object]] = {
        ".parquet": lambda: whole.to_parquet(path, index=False),
        ".csv": lambda: write_csv(whole, path),
    }
    kinds[path.suffix]()


def _sound(value: object) -> object:
    """A text that UTF-8 can hold: a lone surrogate becomes the replacement character."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(path: Path, text: str) -> None:
    path.write_text(str(_sound(text)), encoding="utf-8", newline="\n")
