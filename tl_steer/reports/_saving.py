"""A study on disk: the report, its pictures, and everything in it as data."""

import io
import json
from pathlib import Path

import pandas as pd

from tl_steer.errors import StorageError
from tl_steer.files.csv_cells import frame_csv
from tl_steer.files.writing import made, utf8, write_all
from tl_steer.page.html import page_html
from tl_steer.page.markdown import PICTURES, page_markdown
from tl_steer.reports._data import FACTS, frames_of
from tl_steer.reports._sections import sections_of
from tl_steer.reports._study_data import StudyData
from tl_steer.reports._verdicts import headline, verdicts


def save_results(results: StudyData, folder: Path) -> Path:
    """Write a study; see :meth:`StudyResults.save`.

    Args:
        results: What was found.
        folder: Made where it is not there.

    Raises:
        StorageError: The folder cannot be written to.
    """
    contents = _contents(results)
    try:
        made(folder)
        if any(name.startswith(PICTURES) for name in contents):
            made(folder / PICTURES)
        write_all({folder / name: data for name, data in contents.items()})
    except StorageError as error:
        reason = getattr(error.__cause__, "strerror", None) or error
        raise StorageError(
            f"{folder}: the report cannot be written there ({reason}). Files that lay there are "
            "whole; give another folder, or make room."
        ) from error
    return folder


def _contents(results: StudyData) -> dict[str, bytes]:
    """The files by name; the report comes last: where it is, all that it speaks of is there."""
    sections = sections_of(results)
    data = {name: _bytes(name, frame) for name, frame in frames_of(results).items()}
    data[FACTS] = utf8(json.dumps(_facts(results), indent=2) + "\n")
    pictures = {
        f"{PICTURES}/{picture.name}.svg": utf8(picture.svg)
        for section in sections
        for picture in section.pictures
    }
    pages = {
        "report.md": utf8(page_markdown(results.title, sections)),
        "report.html": utf8(page_html(results.title, sections)),
    }
    return data | pictures | pages


def _facts(results: StudyData) -> dict[str, object]:
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


def _bytes(name: str, frame: pd.DataFrame) -> bytes:
    named = any(each is not None for each in frame.index.names)
    whole = frame.reset_index() if named else frame.reset_index(drop=True)
    for column in whole:
        if isinstance(whole[column].dtype, pd.StringDtype) or whole[column].dtype == object:
            whole[column] = whole[column].map(_sound)
    if name.endswith(".csv"):
        return utf8(frame_csv(whole))
    file = io.BytesIO()
    whole.to_parquet(file, index=False)
    return file.getvalue()


def _sound(value: object) -> object:
    """A text that UTF-8 can hold: a lone surrogate becomes the replacement character."""
    return utf8(value).decode() if isinstance(value, str) else value
