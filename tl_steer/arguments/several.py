"""Several things in order, a fixed number of them, and things by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from tl_steer.arguments import numbers
from tl_steer.arguments.kinds import Kind, UnfitError
from tl_steer.errors import ArgumentError, DataError, SteerError


def ordered(of: Kind, make: Callable[[Iterable[Any]], Sequence[Any]]) -> Kind:
    """Any number of one kind: a list, a tuple, an array, a series, a generator.

    Args:
        of: What each is.
        make: ``list`` or ``tuple``.
    """
    texts = of.many != "anything" and of.is_one("a text")

    def take(value: Any) -> Any:
        if texts and isinstance(value, str):
            raise UnfitError(value, instead="For one text, write [text].")
        items = _items(value)
        if isinstance(value, Tensor | np.ndarray) and items and not of.is_one(items[0]):
            # All of it is what does not fit, and not its first number.
            raise UnfitError(value, instead=of.instead, error=_error(of))
        taken = [_item(of, each, number) for number, each in enumerate(items)]
        kept = type(value) is tuple or (make is list and isinstance(value, list | range))
        if kept and all(one is other for one, other in zip(taken, items, strict=True)):
            return value
        return make(taken)

    return Kind(
        f"a list of {of.many}",
        f"lists of {of.many}",
        take,
        _looks_ordered,
        of.instead,
        DataError if texts else of.error,
    )


def fixed(kinds: Sequence[Kind]) -> Kind:
    """A tuple of so many, each of its kind."""
    count = len(kinds)
    alike = len({kind.many for kind in kinds}) == 1
    of = f"{count} {kinds[0].many}" if alike else " and ".join(kind.one for kind in kinds)

    def take(value: Any) -> Any:
        items = _items(value)
        if len(items) != count:
            raise UnfitError(value, but=f"{len(items)}")
        return tuple(
            _item(kind, each, number)
            for number, (kind, each) in enumerate(zip(kinds, items, strict=True))
        )

    texts = all(kind is numbers.TEXT for kind in kinds)
    return Kind(
        f"a tuple of {of}",
        f"tuples of {of}",
        take,
        _looks_ordered,
        error=DataError if texts else ArgumentError,
    )


def mapping(key: Kind, of: Kind) -> Kind:
    """Things by name."""

    def take(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise UnfitError(value)
        taken = {}
        for name, each in value.items():
            named = _part(key, name, "a key")
            taken[named] = _part(of, each, f"the value of {name!r}")
        same = all(taken[name] is value[name] for name in taken)
        return value if same and len(taken) == len(value) else taken

    values = "" if of.many == "anything" else f" of {of.many}"
    return Kind(
        f"a dict{values}",
        f"dicts{values}",
        take,
        lambda value: isinstance(value, Mapping),
        of.instead,
        of.error,
    )


def _items(value: Any) -> Sequence[Any]:
    """What is in something that has an order."""
    if isinstance(value, str | bytes | Mapping | Set | pd.DataFrame):
        raise UnfitError(value)
    if isinstance(value, Tensor):
        return _listed(value.detach(), value.ndim)
    if isinstance(value, np.ndarray):
        return _listed(value, value.ndim)
    if isinstance(value, Sequence):
        return value
    if not isinstance(value, Iterable):
        raise UnfitError(value)
    return list(value)


def _listed(value: Any, dimensions: int) -> Sequence[Any]:
    if not dimensions or getattr(value, "is_meta", False):
        raise UnfitError(value)
    if getattr(value, "is_sparse", False):
        raise UnfitError(value)
    found: Sequence[Any] = value.tolist()
    return found


def _item(of: Kind, value: Any, number: int) -> Any:
    return _part(of, value, f"item {number}")


def _part(of: Kind, value: Any, where: str) -> Any:
    try:
        return of.take(value)
    except UnfitError as unfit:
        raise unfit.of_part(where, instead=of.instead, error=_error(of)) from None


def _error(of: Kind) -> type[SteerError] | None:
    """What is raised for a part that does not fit, where its kind says."""
    return None if of.error is ArgumentError else of.error


def _looks_ordered(value: Any) -> bool:
    """Of tensors and arrays others may say so, who want them as they are."""
    return isinstance(value, Iterable) and not isinstance(
        value, str | bytes | Mapping | Set | pd.DataFrame | Tensor | np.ndarray
    )
