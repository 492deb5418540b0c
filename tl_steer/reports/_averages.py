"""What the cells of a sweep say: which are controls, and means over prompt sets and seeds."""

import re

import numpy as np
import pandas as pd

from tl_steer.controls import INSTRUCTION, NONE, ORTHOGONAL, RANDOM, SHUFFLED
from tl_steer.errors import DataError

SETTING = ("direction", "hook_name", "layer", "strength", "dose", "scope")
"""The columns that say what was done; prompt set and seed say to what, and by which numbers."""

_SHARED = ("prompts", "seed")
_NUMBERED = re.compile(rf"({RANDOM}|{SHUFFLED}|{ORTHOGONAL}) \d+")


def kind_of(name: str) -> str:
    """What a direction is in an experiment, by its name.

    Args:
        name: As in the column ``direction``.

    Returns:
        ``none`` and ``instruction`` for these; ``random``, ``shuffled`` or ``orthogonal`` for a
        control, which is named by its kind and a number (``random 7``); else ``direction``.
    """
    if name in (NONE, INSTRUCTION):
        return name
    numbered = _NUMBERED.fullmatch(name)
    return numbered[1] if numbered else "direction"


def averaged(cells: pd.DataFrame, judge: str) -> pd.DataFrame:
    """Mean over prompt sets and seeds: one row a setting.

    The mean of the intervals' ends is taken as the interval's end. For seeds and sets that are
    independent it is wider than need be.

    Args:
        cells: As in ``SweepResult.cells``; a row for each setting, prompt set and seed.
        judge: The column of its mean scores.

    Returns:
        The columns of a setting; ``kind`` (see :func:`kind_of`); ``score``, ``low`` and ``high``
        of the judge (the ends are NaN where the cells have none); ``effect``, the mean of score
        minus the score without steering for the same prompt set and seed (NaN where that was not
        run); ``perplexity`` (geometric mean of those that are finite; NaN where none is); and
        ``cells``, how many there were.

    Raises:
        DataError: The frame is empty, lacks a column, or has several cells without steering for
            one prompt set and seed.
    """
    require(cells, judge, *SETTING, *_SHARED)
    frame = cells[[*SETTING, *_SHARED]].assign(score=cells[judge].to_numpy(float))
    for end in ("low", "high"):
        frame[end] = cells.get(f"{judge}_{end}", float("nan"))
    frame["effect"] = frame["score"] - _unsteered(frame)
    measured = cells.get("perplexity", pd.Series(float("nan"), cells.index)).to_numpy(float)
    frame["perplexity"] = np.log(np.where(np.isfinite(measured) & (measured > 0), measured, np.nan))
    groups = frame.groupby(list(SETTING), sort=False, dropna=False)
    found = groups[["score", "low", "high", "effect", "perplexity"]].mean()
    found["perplexity"] = np.exp(found["perplexity"])
    found["cells"] = groups.size()
    found = found.reset_index()
    found.insert(0, "kind", [kind_of(str(name)) for name in found["direction"]])
    return found


def unsteered(settings: pd.DataFrame, column: str = "score") -> float:
    """The level without steering; NaN where it was not run.

    Args:
        settings: As from :func:`averaged`.
        column: Of which number.
    """
    own = settings.loc[settings["kind"] == NONE, column]
    return float(own.mean()) if len(own) else float("nan")


def require(frame: pd.DataFrame, *columns: str) -> None:
    """Refuse a frame that cannot be read.

    Raises:
        DataError: It has no rows, or lacks a column.
    """
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(
            f"the frame lacks {missing}; it has {list(frame)}. Give the frame of a sweep, "
            "and the name of a judge that scored it."
        )
    if frame.empty:
        raise DataError("the frame has no rows, so there is nothing to report.")


def _unsteered(frame: pd.DataFrame) -> np.ndarray:
    """For each row, the score without steering of its prompt set and seed."""
    own = frame[frame["direction"] == NONE].set_index(list(_SHARED))["score"]
    if own.index.has_duplicates:
        twice = own.index[own.index.duplicated()][0]
        raise DataError(
            f"there are several cells without steering for prompts and seed {twice}; keep one."
        )
    keys = pd.MultiIndex.from_frame(frame[list(_SHARED)])
    found: np.ndarray = own.reindex(keys).to_numpy(float)
    return found
