"""Ratings read back: what raters answered, put beside the conditions that the key tells."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tl_steer.arguments import checked
from tl_steer.errors import DataError, MismatchError, StorageError
from tl_steer.people._csv_file import Row, read_rows
from tl_steer.people._question import SKIP, Question
from tl_steer.people._ratings import Ratings
from tl_steer.people._saving import ASKED

_KEY = ["sheet", "item", "repeat_of", "condition", "other", "side", "prompt_index", "sample"]
_NOT_RATINGS = ("key.csv", "sheet.csv")


@checked
def read_ratings(folder_or_key: str | Path, *files: str | Path) -> Ratings:
    """Read what raters sent back, and tell by the key which condition each text was of.

    Takes the form's files and filled-in copies of ``sheet.csv``, with commas, semicolons or tabs,
    in UTF-8, UTF-16 with its mark or cp1252. A file may hold several raters, by its column
    ``rater``; where nobody is named in it, its name stands for the rater. Nothing is dropped:
    items without an answer stay, as NaN, and so do those that a rater's file lacks. Nothing in a
    file is ever executed.

    Args:
        folder_or_key: Where the sheet was saved, or its ``key.csv``.
        files: What raters sent back; without any, all other CSV files of that folder but
            ``sheet.csv``.

    Raises:
        StorageError: For a file that cannot be read, or is not of this kind.
        MismatchError: For ratings of another sheet.
        DataError: For no file, an answer that is none, an item that one rater answers twice, or
            rows that name no rater among some that do; with the file and the line.
    """
    given = Path(folder_or_key)
    key_path = given / "key.csv" if given.is_dir() else given
    sheet, question, key = _read_key(key_path)
    paths = [Path(file) for file in files]
    if not paths:
        paths = sorted(
            path for path in key_path.parent.glob("*.csv") if path.name not in _NOT_RATINGS
        )
        # The key may go by another name.
        paths = [path for path in paths if path != key_path]
    if not paths:
        raise DataError(
            f"{key_path.parent}: no raters' files are there. Put the CSV files that they sent back "
            "into it, or name them."
        )
    seen: dict[tuple[str, str], str] = {}
    rows = []
    for path in paths:
        found = read_rows(path, needs=("sheet", "item", "rating"))
        if not found:
            raise DataError(f"{path} has no rows under its headers.")
        for row, rater in zip(found, _raters(path, found), strict=True):
            where = f"{path}, line {row.line}"
            item = _item(row, sheet, key, where)
            if (rater, item) in seen:
                raise DataError(
                    f"{where}: {rater!r} has answered {item} before, in {seen[rater, item]}. Keep "
                    "one of the two; if they are two raters, give them two names."
                )
            seen[rater, item] = where
            rows.append((rater, item, *_answer(row, question, str(key.at[item, "side"]), where)))
    answers = pd.DataFrame(rows, columns=["rater", "item", "rating", "skipped", "comment"])
    return Ratings(_tidy(answers, key, question), question, sheet)


def _read_key(path: Path) -> tuple[str, Question, pd.DataFrame]:
    rows = read_rows(path, needs=(*_KEY, *ASKED))
    if not rows:
        raise StorageError(f"{path} holds no items.")
    frame = pd.DataFrame([row.cells for row in rows], dtype=object)
    try:
        frame[["prompt_index", "sample", "low", "high"]] = frame[
            ["prompt_index", "sample", "low", "high"]
        ].astype(int)
        settings = frame[["sheet", *ASKED]].drop_duplicates()
        if len(settings) > 1 or frame["item"].duplicated().any():
            raise ValueError("rows of two sheets, or an item twice")
        sheet, *asked = settings.to_numpy(object)[0]
        question = Question(*asked)
    except (ValueError, OverflowError, DataError) as error:
        raise StorageError(
            f"{path} is not a complete key ({error}). Save the sheet again."
        ) from error
    return str(sheet), question, frame[_KEY[1:]].set_index("item")


def _raters(path: Path, rows: Sequence[Row]) -> list[str]:
    """Who answered each row: as the file says, or the file's name where it says nothing."""
    named = [row.cells.get("rater", "").strip() for row in rows]
    names = list(dict.fromkeys(name for name in named if name))
    if len(names) < 2:
        # A name in one row of a spreadsheet stands for all of it.
        return [names[0] if names else path.stem] * len(rows)
    for row, name in zip(rows, named, strict=True):
        if not name:
            raise DataError(
                f"{path}, line {row.line} names no rater, and the file has several: "
                f"{', '.join(names[:4])}. Name one in each row."
            )
    return named


def _item(row: Row, sheet: str, key: pd.DataFrame, where: str) -> str:
    came, item = row.cells["sheet"].strip(), row.cells["item"].strip()
    if came != sheet:
        raise MismatchError(
            f"{where}: the row is of sheet {came or 'without a name'}, the key of {sheet}. Read it "
            "with the key that was saved with its form."
        )
    if item not in key.index:
        raise MismatchError(f"{where}: item {item!r} is not on this sheet. Was it retyped?")
    return item


def _answer(row: Row, question: Question, side: str, where: str) -> tuple[float, bool, str]:
    written = row.cells["rating"]
    value = question.value(written, side)
    if value is None:
        raise DataError(
            f"{where}: expected {', '.join(question.answers)}, or {SKIP} or nothing for no answer; "
            f"got {written!r}."
        )
    return value, written.strip().casefold() == SKIP, row.cells.get("comment", "")


def _tidy(answers: pd.DataFrame, key: pd.DataFrame, question: Question) -> pd.DataFrame:
    """A row for each rater and item of the key, in the order of both."""
    raters = list(dict.fromkeys(answers["rater"]))
    every = pd.MultiIndex.from_product([raters, key.index], names=["rater", "item"])
    rows = answers.set_index(["rater", "item"]).reindex(every).reset_index()
    about = key.loc[rows["item"]].reset_index(drop=True)
    rows["missing"] = rows["skipped"].isna()
    rows["skipped"] = rows["skipped"].eq(True)
    rows["comment"] = rows["comment"].fillna("")
    rows["repeat"] = about["repeat_of"] != ""
    columns = ["condition", "prompt_index", "sample"]
    if question.kind == "pair":
        columns = ["condition", "other", "side", "prompt_index", "sample"]
    rows[columns] = about[columns]
    order = ["rater", "item", *columns, "rating", "repeat", "skipped", "missing", "comment"]
    return rows[order].infer_objects()
