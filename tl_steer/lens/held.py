"""What a key-value cache holds, so that it is known again, row by row.

A cache is the user's: between two passes its rows may be reordered (beam search), repeated or
dropped, its end may be cropped, and it may be copied and gone on from twice. None of that is told
to a hook. It is seen in the keys of one layer: whatever was done to the cache made a new tensor
there, and keys are bit for bit the same only where the tokens are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, eq=False)
class Held:
    """The keys of one layer at one moment."""

    keys: Tensor
    """As the cache has them; rows first."""

    axis: int
    """Which axis counts tokens; 0 for a state, which is of all tokens."""

    columns: int
    """How many tokens the cache holds; the keys may have room for more."""

    kept: int
    """How many columns of the keys tell something; fewer than that where a window slides, and
    none of a state."""

    version: int | None
    """Counts what was written into the tensor; ``None`` where torch does not count."""

    @classmethod
    def of(cls, cache: Any, columns: int) -> "Held | None":
        """Look into a cache; ``None`` for an empty one, or one that keeps its keys otherwise."""
        keys = getattr(cache, "past_keys", None)
        if isinstance(keys, Tensor):
            return cls._at(keys, 1, columns, columns)
        layers = [*getattr(cache, "layers", ())] if columns else []
        several = ((each, sliding) for sliding in (False, True) for each in layers)
        found = (cls._of(each, columns, sliding) for each, sliding in several)
        states = (cls._at(each, 0, columns, 0) for layer in layers for each in _states(layer))
        return next((held for held in chain(found, states) if held is not None), None)

    @classmethod
    def _of(cls, layer: Any, columns: int, sliding: bool) -> "Held | None":
        keys = getattr(layer, "keys", None)
        if not isinstance(keys, Tensor) or keys.ndim < 3:
            return None
        axis, length = keys.ndim - 2, keys.shape[-2]
        if bool(getattr(layer, "is_sliding", False)):
            return cls._at(keys, axis, columns, length) if sliding else None
        # A cache of a fixed size has room left; others that do not keep all keys keep them packed.
        roomy = hasattr(layer, "max_cache_len") and length > columns
        return cls._at(keys, axis, columns, columns) if roomy or length == columns else None

    @classmethod
    def _at(cls, keys: Tensor, axis: int, columns: int, kept: int) -> "Held | None":
        if not columns or not keys.numel():
            return None
        version = None if keys.is_inference() else keys._version
        return cls(keys, axis, columns, kept, version)

    def is_still(self, earlier: "Held") -> bool:
        """Whether nobody has touched the cache since; needs no look at numbers."""
        same = self.keys is earlier.keys and self.version == earlier.version
        return same and self.columns == earlier.columns

    def rows_in(self, earlier: "Held") -> list[int] | None:
        """Tell which row each row continues.

        Args:
            earlier: The same cache, or another one, at an earlier moment, when it held as many
                tokens or more.

        Returns:
            For each row the number of the row that began with the same keys, its own number if
            that one did; ``None`` where a row began otherwise, or it cannot be told.
        """
        overwritten = self.keys is earlier.keys and self.version != earlier.version
        alike = self.axis == earlier.axis and self.keys.dtype == earlier.keys.dtype
        whole = self.kept == self.columns <= earlier.kept == earlier.columns
        slid = (self.columns, self.kept) == (earlier.columns, earlier.kept)
        if overwritten or not alike or not (whole or slid):
            return None
        now, then = self._marks(self.kept), earlier._marks(self.kept)
        first = {mark: row for row, mark in reversed([*enumerate(then)])}
        found = [first.get(mark) for mark in now]
        rows = [row for row in found if row is not None]
        if len(rows) < len(found):
            return None
        own = (row < len(then) and then[row] == mark for row, mark in enumerate(now))
        pairs = zip(own, rows, strict=True)
        return [row if stays else other for row, (stays, other) in enumerate(pairs)]

    def _marks(self, columns: int) -> list[int]:
        """A number for each row, from the first so many tokens of its first head."""
        keys = self.keys.narrow(self.axis, 0, columns) if self.axis else self.keys
        if self.axis and keys.ndim > 3:
            keys = keys.select(3 - self.axis, 0)
        found: list[int] = marks(keys.flatten(1)).tolist()
        return found


def _states(layer: Any) -> list[Tensor]:
    """What a layer of a state-space model keeps of all that it has read."""
    states = getattr(layer, "recurrent_states", None)
    several = states.values() if isinstance(states, Mapping) else (states,)
    return [each for each in several if isinstance(each, Tensor)]


def marks(rows: Tensor) -> Tensor:
    """Tell rows apart by a number that no other order of summation changes.

    Args:
        rows: Of any dtype; the last axis is gone afterwards.

    Returns:
        Integers, equal where all bits are, and otherwise different but for one in 2⁶⁴.
    """
    bits = rows.contiguous().view(_BITS[rows.element_size()]).long()
    # Odd numbers without a pattern (splitmix64); products and sums wrap around.
    number = torch.arange(1, bits.shape[-1] + 1, device=bits.device) * -0x61C8864680B583EB
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        number = (number ^ (number >> shift)) * factor
    return (bits * (number | 1)).sum(-1)


def is_in_order(rows: Sequence[int], count: int) -> bool:
    """Whether each of so many rows is where it was."""
    return list(rows) == list(range(count))
