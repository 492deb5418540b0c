"""Columns out of JSONL files, CSV files and data frames; nothing in a file is ever executed."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from tl_steer.errors import DataError
from tl_steer.files.csv_files import table
from tl_steer.files.json_files import json_lines
from tl_steer.files.opening import AnyPath

_EXAMPLE = '{"text": "A fine film.", "label": 1}'


def jsonl_columns(path: AnyPath, names: Sequence[str]) -> list[list[Any]]:
    """Read the fields `names` from a file with one JSON object a line.

    Empty lines are skipped; a byte order mark is allowed.

    Returns:
        One list of values for each name.

    Raises:
        FileError: The file is absent or not UTF-8, or a line is no JSON object.
        DataError: A line lacks a field.
    """
    columns: list[list[Any]] = [[] for _ in names]
    for where, row in json_lines(path, _EXAMPLE):
        _require(names, row, where=where)
        for column, name in zip(columns, names, strict=True):
            column.append(row[name])
    return columns


def csv_columns(path: AnyPath, names: Sequence[str]) -> list[list[str]]:
    """Read the columns `names` from a CSV file with a header, as text.

    Returns:
        One list of cells for each name, as they stand in the file.

    Raises:
        FileError: The file is absent, not UTF-8 or no CSV, or has a row that is wider or narrower
            than its header.
        DataError: It lacks a column, or has two of one name.
    """
    header, rows = table(path)
    _require(names, header, where=str(path))
    _require_once(names, header, where=str(path))
    places = [header.index(name) for name in names]
    return [[row.cells[place] for row in rows] for place in places]


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
    _require_once(names, list(frame.columns), where=where)
    return [frame[name].tolist() for name in names]


def _require(names: Sequence[str], present: Iterable[object], *, where: str) -> None:
    there = list(present)
    missing = [name for name in names if name not in there]
    if missing:
        raise DataError(
            f"{where} lacks {_listed(missing)}; it has {_listed(there) or 'nothing'}. Name the "
            "columns with text= and label=, or with pair=."
        )


def _require_once(names: Sequence[str], header: Sequence[object], *, where: str) -> None:
    for name in names:
        if header.count(name) > 1:
            raise DataError(f"{where} has several columns called {name!r}. Rename all but one.")


def _listed(names: Iterable[object]) -> str:
    return ", ".join(repr(name) for name in names)
