"""What scopes are given, checked when they are made: a typing error should not mark nothing."""

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from tl_steer.errors import SteerError

_SEVERAL = (list, tuple, range, set, frozenset, np.ndarray, pd.Series, pd.Index, Tensor)


def one_by_one(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take ``Keywords(["film", "movie"])`` for ``Keywords("film", "movie")``."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], _SEVERAL) else given


def whole_number(value: Any, what: str) -> int:
    """A Python, numpy or torch integer as an ``int``.

    Raises:
        SteerError: For anything else, ``True`` among it.
    """
    try:
        if _is_truth(value):
            raise TypeError("a truth value")
        return index(value)
    except TypeError:
        raise SteerError(f"{what}: expected a whole number, got {value!r}.") from None


def whole_numbers(values: Sequence[Any], what: str) -> tuple[int, ...]:
    """Several of them."""
    return tuple(whole_number(value, what) for value in one_by_one(tuple(values)))


def number(value: Any, what: str) -> float:
    """A Python, numpy or torch number as a ``float``.

    Raises:
        SteerError: For anything else, ``True`` among it.
    """
    try:
        if _is_truth(value) or isinstance(value, str | bytes):
            raise TypeError("no number")
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise SteerError(f"{what}: expected a number, got {value!r}.") from None


def truth(value: Any, what: str) -> bool:
    """``True`` or ``False``.

    Raises:
        SteerError: For anything else: ``last=3`` is likely meant otherwise.
    """
    if not _is_truth(value):
        raise SteerError(f"{what}: expected True or False, got {value!r}.")
    return bool(value)


def bounds(start: Any, stop: Any, what: str) -> tuple[int, int | None]:
    """The bounds of a slice that holds something, in some text.

    Raises:
        SteerError: For what is no number, and for bounds between which there never is anything.
    """
    first = 0 if start is None else whole_number(start, f"{what}, start")
    end = None if stop is None else whole_number(stop, f"{what}, stop")
    # Bounds from both ends may enclose something; that depends on the text.
    same_side = end is not None and (first < 0) == (end < 0)
    if end == 0 or (same_side and end is not None and end <= first):
        advice = "; to go on to the end, leave stop out" if end == 0 and first < 0 else ""
        raise SteerError(
            f"{what}({first}, {end}): there is nothing from {first} to before {end}{advice}."
        )
    return first, end


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool")
