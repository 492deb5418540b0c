"""A rating sheet on disk: what goes to the raters, and the key, which does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tl_steer.arguments import checked
from tl_steer.errors import StorageError
from tl_steer.files.csv_cells import csv_text
from tl_steer.files.writing import made, utf8, write_all
from tl_steer.people._question import Question

ASKED = ["question", "kind", "low", "high", "low_label", "high_label"]


@checked
@dataclass(frozen=True)
class SavedSheet:
    """Where a sheet was written."""

    form: Path
    """For raters with a browser."""

    sheet: Path
    """For raters with a spreadsheet."""

    key: Path
    """For whoever evaluates, and nobody else."""

    def __repr__(self) -> str:
        """Say who may see what."""
        return (
            f"SavedSheet in {self.form.parent}\n"
            f"  {self.form.name} or {self.sheet.name}: send one of them to each rater.\n"
            f"  {self.key.name}: keep it; with it raters would know which condition they judge."
        )


def save_sheet(
    folder: Path,
    pages: Mapping[str, str],
    question: Question,
    key: pd.DataFrame,
    sheet: str,
    *,
    overwrite: bool,
) -> SavedSheet:
    """Write the pages for raters, and the key first: answers without it would be worth nothing.

    Raises:
        StorageError: For another sheet's key in the folder, or a folder that cannot be written.
    """
    asked = [
        question.text,
        question.kind,
        question.low,
        question.high,
        question.low_label,
        question.high_label,
    ]
    heads = ["sheet", *key, *ASKED]
    content = csv_text(heads, ([sheet, *row, *asked] for row in key.itertuples(index=False)))
    target = folder / "key.csv"
    made(folder)
    try:
        there = target.read_bytes() if target.exists() else None
    except OSError as error:
        raise StorageError(f"{folder}: cannot write there: {error.strerror}.") from error
    if there is not None and there != content.encode("utf-8") and not overwrite:
        raise StorageError(
            f"{target} is the key of another sheet, without which its ratings cannot be read. Take "
            "another folder, or write overwrite=True."
        )
    write_all({folder / name: utf8(text) for name, text in {"key.csv": content, **pages}.items()})
    return SavedSheet(folder / "form.html", folder / "sheet.csv", target)
