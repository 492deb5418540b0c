"""Numbers as they are read in a table: rounded alike, an estimate together with its interval."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tl_steer.errors import DataError

_NONE = "–"


@dataclass(frozen=True)
class Column:
    """A column as it is shown."""

    name: str
    cells: list[str]
    right: bool
    """Whether it is set to the right, as numbers are."""


def columns_of(frame: pd.DataFrame) -> list[Column]:
    """The columns of a frame as they are shown.

    ``score``, ``score_low`` and ``score_high`` become one column of ``0.81 [0.77, 0.85]``, and so
    do ``low`` and ``high`` with the column before them. An index of names or texts comes first; one
    of bare numbers is left out.
    """
    return list(_columns(_flat(frame)))


def texts_of(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of a frame of texts.

    Raises:
        DataError: A cell is not a string, or two columns have one name.
    """
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        raise DataError(f"the columns are {names}; each condition needs a name of its own.")
    columns = {name: frame.iloc[:, place].tolist() for place, name in enumerate(names)}
    for name, texts in columns.items():
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"column {name!r}, row {row} is {text!r}; it has to be a text.")
    return columns


def with_interval(estimate: float, low: float, high: float) -> str:
    """``0.81 [0.77, 0.85]``; the estimate alone where there is no interval."""
    return _with_interval(estimate, low, high, digits=_digits(np.array([estimate, low, high])))


def _with_interval(estimate: float, low: float, high: float, *, digits: str) -> str:
    value = _NONE if np.isnan(estimate) else f"{estimate:{digits}}"
    return f"{value} [{low:{digits}}, {high:{digits}}]" if np.isfinite(low + high) else value


def shown(column: pd.Series) -> list[str]:
    """The cells of a column, with as many decimals as four digits of its largest number need."""
    missing = column.isna()
    if not pd.api.types.is_float_dtype(column.dtype):
        cells = [str(value) for value in column]
    else:
        sizes = np.abs(column[~missing].to_numpy(dtype=float))
        largest = max(sizes[np.isfinite(sizes)], default=0.0)
        style = ".2e" if 0 < largest < 0.01 else f".{_decimals(largest)}f"
        cells = [format(float(value), style) for value in column]
    return [_NONE if gap else text for gap, text in zip(missing, cells, strict=True)]


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """With the index as columns, where it says something."""
    index = frame.index
    if any(name is not None for name in index.names):
        return frame.reset_index()
    if not len(index) or pd.api.types.is_numeric_dtype(index.dtype):
        return frame
    whole = frame.reset_index(drop=True)
    whole.insert(0, "", [str(name) for name in index], allow_duplicates=True)
    return whole


def _columns(frame: pd.DataFrame) -> Iterator[Column]:
    names = [str(name) for name in frame.columns]
    parts = [frame.iloc[:, place] for place in range(len(names))]
    ends = dict(_intervals(names, parts))
    hidden = {place for pair in ends.values() for place in pair}
    for place, (name, column) in enumerate(zip(names, parts, strict=True)):
        if place in ends:
            low, high = (parts[end] for end in ends[place])
            rows = np.array([column, low, high], dtype=float).T
            digits = _digits(rows)
            cells = [_with_interval(*row, digits=digits) for row in rows.tolist()]
            yield Column(name, cells, right=True)
        elif place not in hidden:
            right = pd.api.types.is_numeric_dtype(column.dtype)
            yield Column(name, shown(column), right)


def _intervals(names: list[str], parts: list[pd.Series]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where an estimate stands, and where the ends of its interval do."""
    for place, name in enumerate(names):
        low, high = f"{name}_low", f"{name}_high"
        if names[place + 1 : place + 3] == ["low", "high"]:
            low, high = "low", "high"
        if names.count(low) != 1 or names.count(high) != 1 or names.count(name) != 1:
            continue
        found = (names.index(low), names.index(high))
        if all(pd.api.types.is_numeric_dtype(parts[each].dtype) for each in (place, *found)):
            yield place, found


def _digits(values: np.ndarray) -> str:
    """Of numbers that are to be compared: as many decimals as their largest needs."""
    largest = float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
    if 0 < largest < 0.01:
        return ".1e"
    return ".3f" if largest < 0.1 else ".2f" if largest < 10 else ".1f"


def _decimals(largest: float) -> int:
    return 3 if largest < 10 else 2 if largest < 100 else 1
