"""What is known of the texts that caches hold, from one pass to the next."""

from collections import ChainMap
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from tl_steer.lens.context import Context
from tl_steer.lens.hearing import Pass
from tl_steer.lens.held import Held, is_in_order
from tl_steer.lens.padding import Padding
from tl_steer.lens.prompt_end import PromptEnd

Memory = Mapping[Hashable, Any]

_CUT = (
    "the end of the cache was cut off, and what had been remembered up to there is gone. Cut it "
    "back to where a pass of several tokens ended, such as the end of the prompt, or read the text "
    "anew."
)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the tokens in a cache."""

    positions: Tensor
    """``Int[Tensor, "batch past"]``, padding is -1."""

    tokens: Tensor | None
    """``Int[Tensor, "batch past"]``; ``None`` where there were embeddings."""

    end: PromptEnd

    padding: Padding

    memory: Memory
    """What scopes and strengths remembered after the last of these tokens."""

    forgotten: str
    """Why they remember nothing; empty where they do."""

    earlier: Mapping[int, Memory] = field(default_factory=dict)
    """What they remembered after so many columns, where a pass of several tokens ended."""

    @classmethod
    def after(cls, context: Context, earlier: Mapping[int, Memory]) -> "Known":
        """What is known after a pass."""
        # What comes after the first block is still to be remembered.
        memory = ChainMap(context.after, dict(context.before))
        past, (_, width) = context.past, context.shape
        # After single tokens it is not kept: there are many, and it may be large.
        if (width > 1 or not past) and not context.forgotten:
            earlier = {**earlier, past + width: memory}
        positions, tokens = context.unchecked
        return cls(
            positions,
            tokens,
            context.end,
            context.padding,
            memory,
            context.forgotten,
            earlier,
        )

    @property
    def columns(self) -> int:
        """How many there are in each row."""
        return self.positions.shape[1]

    def rows(self, index: Sequence[int]) -> "Known":
        """Keep some rows, in the order asked for; a row may be asked for several times."""
        if is_in_order(index, len(self.positions)):
            return self
        rows = torch.tensor(index, dtype=torch.long, device=self.positions.device)
        tokens = self.tokens
        return replace(
            self,
            positions=self.positions[rows],
            tokens=None if tokens is None else tokens[rows.to(tokens.device)],
            end=self.end.rows(index),
            memory=_rows_of(self.memory, index),
            earlier={columns: _rows_of(each, index) for columns, each in self.earlier.items()},
        )

    def cut(self, columns: int) -> "Known":
        """Keep the first columns."""
        if columns == self.columns:
            return self
        kept = self.earlier.get(columns)
        return replace(
            self,
            positions=self.positions[:, :columns],
            tokens=None if self.tokens is None else self.tokens[:, :columns],
            memory={} if kept is None else kept,
            forgotten=_CUT if kept is None and self.memory else self.forgotten,
            earlier={where: each for where, each in self.earlier.items() if where <= columns},
        )


@dataclass(frozen=True, eq=False)
class _Kept:
    """A cache, and what is known of it."""

    cache: Callable[[], Any]
    held: Held | None
    known: Known
    selected: bool = False
    """Whether rows were selected by somebody who said so."""


class Sequences:
    """Of all caches that are still there, what is known of their texts."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []

    def keep(self, cache: Any, held: Held | None, known: Known) -> None:
        """Know a cache from now on, as it is after a pass."""
        self.forget(cache)
        alive = [each for each in self._kept if each.cache() is not None]
        self._kept = [_Kept(ref(cache), held, known), *alive]

    def forget(self, cache: Any) -> None:
        """Know nothing of a cache any more."""
        self._kept = [each for each in self._kept if each.cache() is not cache]

    def select(self, index: Sequence[int]) -> None:
        """Of the last cache, the same rows were selected."""
        if self._kept:
            last = self._kept[0]
            self._kept[0] = replace(last, known=last.known.rows(index), selected=True)

    def found(self, now: Pass, past: int) -> tuple[Known, list[int]] | None:
        """Find what a pass goes on from, and for each of its rows the row that it continues.

        Rows that stay where they are found without a look at numbers; where anything was done to
        a cache, its keys are compared with those that were there after earlier passes, which waits
        for the device. Nothing is found where that does not tell.
        """
        rows, held = len(now.content), Held.of(now.cache, past)
        own = next((each for each in self._kept if each.cache() is now.cache), None)
        if own is not None and own.known.columns == past and len(own.known.positions) == rows:
            untouched = held and own.held and held.is_still(own.held)
            # Of one row, or where somebody has told, nothing can have been moved.
            if own.selected or untouched or (held is None and rows == 1):
                return own.known, list(range(rows))
        if held is None:
            return None
        for each in self._kept:
            # What was selected since is not what was held.
            told = each.held is None or each.selected
            index = None if each.held is None or told else held.rows_in(each.held)
            if index is not None:
                return each.known.rows(index).cut(past), index
        return None

    def columns_of(self, cache: Any) -> int | None:
        """How many columns of a cache were heard, whatever it says itself."""
        own = next((each for each in self._kept if each.cache() is cache), None)
        return None if own is None else own.known.columns


def _rows_of(memory: Memory, index: Sequence[int]) -> Memory:
    def chosen(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value[torch.tensor(index, dtype=torch.long, device=value.device)]
        return [value[row] for row in index]

    return {key: chosen(value) for key, value in memory.items()}
