"""Data frames that a function reads certain columns of."""

from collections.abc import Sequence

import pandas as pd

from tl_steer.errors import DataError


def require_columns(
    frame: pd.DataFrame, names: Sequence[str], *, by: str, rows: bool = False
) -> None:
    """Refuse a frame without some columns.

    Args:
        frame: What came.
        names: What is read.
        by: Who reads it, for the sentence.
        rows: Whether a frame without rows is refused too.

    Raises:
        DataError: With what is missing, and what there is.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        have = ", ".join(map(repr, frame.columns[:12])) or "none"
        raise DataError(
            f"{by}: the frame lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(map(repr, missing))}. It has {have}."
        )
    if rows and frame.empty:
        raise DataError(f"{by}: the frame has no rows.")
