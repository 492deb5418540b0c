"""Where something begins to happen, for many rows at once."""

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from tl_steer.shapes import Rows

RowMask = Bool[Tensor, " batch"]
"""True for the rows of which something holds."""

Happens = Callable[[list[int], Rows], RowMask]
"""From numbers of rows and an amount for each to whether it happens."""

_NOTHING = 1e-6


def narrowed(happens: Happens, low: Rows, high: Rows, *, precision: float) -> Rows:
    """Look for the smallest amount at which it happens, between one with it and one without.

    Brackets are halved, those of all rows in one call, until ``(1 − precision)`` times the amount
    has itself been tried and found too little. So what comes back happens, and a little less of
    it does not, also where more does not always do more.

    Args:
        happens: Asked of the rows that are still open.
        low: One for each row, 0 or more, at which it does not happen.
        high: One for each row, at which it does.
        precision: Over 0 and under 1.

    Returns:
        One amount for each row.
    """
    low, high = low.clone(), high.clone()
    # Where it happens at nothing after all, by rounding, the search must end.
    floor = _NOTHING * high
    going = high > floor
    while bool(going.any()):
        rows = going.nonzero()[:, 0]
        under, over = low[rows], high[rows]
        nearest = (1 - precision) * over
        tried = torch.where(under < nearest, torch.minimum((under + over) / 2, nearest), nearest)
        found = happens(rows.tolist(), tried)
        # Found below what was thought to be too little: all below is open again.
        low[rows] = torch.where(found, torch.where(tried > under, under, 0.0), tried)
        high[rows] = torch.where(found, tried, over)
        going[rows] = torch.where(found, tried > floor[rows], tried < nearest)
    return high
