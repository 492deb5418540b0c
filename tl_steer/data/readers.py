"""Columns out of JSONL files, CSV files and data frames; nothing in a file is ever executed."""

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from tl_steer.errors import DataError


def jsonl_columns(path: str | PathLike[str], names: Sequence[str]) -> list[list[Any]]:
    """Read the fields `names` from a file with one JSON object a line.

    Empty lines are skipped; a byte order mark is allowed.

    Returns:
        One list of values for each name.

    Raises:
        DataError: The file is absent or not UTF-8, a line is no JSON object, or lacks a field.
    """
    columns: list[list[Any]] = [[] for _ in names]
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    row = _json_object(line, where=f"{path}, line {number}")
                    _require(names, row, where=f"{path}, line {number}")
                    for column, name in zip(columns, names, strict=True):
                        column.append(row[name])
    except OSError as error:
        raise DataError(_unreadable(path, error)) from error
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(path)) from error
    return columns


def csv_columns(
    path: str | PathLike[str], names: Sequence[str], *, text_names: Sequence[str]
) -> list[list[Any]]:
    """Read the columns `names` from a CSV file with a header.

    The columns `text_names` are read as text, even where they hold numbers or words such as
    "NA"; numbers in the others come back as numbers.

    Returns:
        One list of values for each name.

    Raises:
        DataError: The file is absent, not UTF-8 or no CSV, or lacks a column.
    """
    try:
        frame = pd.read_csv(
            Path(path),
            dtype=dict.fromkeys(text_names, "str"),
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except OSError as error:
        raise DataError(_unreadable(path, error)) from error
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(path)) from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise DataError(
            f"{path}: not a CSV file with a header ({str(error).strip()}). The first line should "
            "name the columns, and texts with commas or line breaks should stand in quotes."
        ) from error
    return frame_columns(frame, names, where=str(path))


def frame_columns(
    frame: pd.DataFrame, names: Sequence[str], *, where: str = "the data frame"
) -> list[list[Any]]:
    """Take the columns `names` from a data frame.

    Returns:
        One list of plain Python values for each name.

    Raises:
        DataError: A column is missing, or there is more than one of its name.
    """
    _require(names, frame.columns, where=where)
    repeated = [name for name in names if list(frame.columns).count(name) > 1]
    if repeated:
        raise DataError(
            f"{where} has more than one column {repeated[0]!r}. Rename all but one of them."
        )
    return [frame[name].tolist() for name in names]


def _json_object(line: str, *, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f"{where}: not JSON ({error}). Each line should hold one object, such as "
            '{"text": "A fine film.", "label": 1}.'
        ) from error
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: a JSON {type(row).__name__} came. Each line should hold one object, such as "
            '{"text": "A fine film.", "label": 1}.'
        )
    return row


def _require(names: Sequence[str], present: Iterable[object], *, where: str) -> None:
    there = list(present)
    missing = [name for name in names if name not in there]
    if missing:
        raise DataError(
            f"{where} lacks {_listed(missing)}; it has {_listed(there) or 'nothing'}. "
            "Say which to use with text= and label=, or with pair=."
        )


def _listed(names: Iterable[object]) -> str:
    return ", ".join(repr(name) for name in names)


def _unreadable(path: str | PathLike[str], error: OSError) -> str:
    return f"{path}: cannot be read ({error.strerror or error}). Give the path of a file."


def _not_utf8(path: str | PathLike[str]) -> str:
    return f"{path}: not UTF-8 text. Save it as UTF-8."
