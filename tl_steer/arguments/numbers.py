"""Numbers, texts, True and False: as Python's own, as numpy's, or in a tensor of one."""

import math
from typing import Any

import numpy as np
from torch import Tensor

from tl_steer.arguments.kinds import Kind, UnfitError
from tl_steer.arguments.ranges import LARGEST, Range
from tl_steer.arguments.words import came
from tl_steer.errors import NonFiniteError


def _bare(value: Any) -> Any:
    """What an array or a tensor without dimensions holds."""
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 and value.dtype != object:
        return value.item()
    if isinstance(value, Tensor) and value.ndim == 0 and not value.is_meta:
        return value.item()
    return value


def _whole(value: Any) -> int:
    bare = _bare(value)
    if isinstance(bare, int) and not isinstance(bare, bool):
        if abs(bare) > LARGEST:
            raise UnfitError(value, but="one that is too large")
        return int(bare)
    raise UnfitError(bare if isinstance(bare, float | bool) else value)


def _number(value: Any) -> float:
    found = _unbounded(value)
    if not math.isfinite(found):
        raise UnfitError(found, but=f"{came(found)}, which is not finite", error=NonFiniteError)
    return found


def _unbounded(value: Any) -> float:
    bare = _bare(value)
    if isinstance(bare, float):
        return float(bare)
    if isinstance(bare, int) and not isinstance(bare, bool):
        if abs(bare) > LARGEST:
            raise UnfitError(value, but="one that is too large")
        return float(bare)
    raise UnfitError(value)


def _bool(value: Any) -> bool:
    bare = _bare(value)
    if isinstance(bare, bool):
        return bare
    raise UnfitError(bare if isinstance(bare, int | float) else value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    raise UnfitError(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


WHOLE = Kind("a whole number", "whole numbers", _whole, _is_number)
NUMBER = Kind("a number", "numbers", _number, _is_number)
UNBOUNDED = Kind("a number", "numbers", _unbounded, _is_number)
BOOL = Kind("True or False", "bools", _bool, lambda value: isinstance(value, bool | np.bool_))
TEXT = Kind("a text", "texts", _text, lambda value: isinstance(value, str))


def ranged(kind: Kind, within: Range) -> Kind:
    """The same kind, of numbers in a range."""

    def take(value: Any) -> Any:
        number = kind.take(value)
        if not within.holds(number):
            raise UnfitError(value, but=_named(number))
        return number

    return Kind(f"{kind.one} {within.says}", f"{kind.many} {within.says}", take, kind.is_one)


def _named(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"
