"""From characters to tokens, where no token knows more of the text than it may.

For a token of the prompt, the whole prompt counts; for a token that the model wrote, all that
stands in the text up to and including it. What a scope marks is then the same with a key-value
cache, which shows one token at a time, and without one, where each pass shows the whole text.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from tl_steer.lens.context import Context
from tl_steer.lens.texts import RowText
from tl_steer.scopes._whole_prompt import require_whole_prompt
from tl_steer.shapes import TokenMask

Span = tuple[int, int]
"""Characters from the first to before the second."""

KeyMask = Bool[Tensor, "batch pos whole"]
"""For each token of a pass, which tokens of the whole text, cached ones first, are marked."""


@dataclass(frozen=True)
class View:
    """What a token may know of its row's text."""

    row: RowText

    first: int
    """The first column that is no padding."""

    prompt_stop: int
    """The prompt's columns end before this one."""

    stop: int
    """What is known ends before this column."""

    bos: int
    """Characters of a beginning-of-text token that stands first; otherwise 0."""

    @property
    def text(self) -> str:
        """All that is known."""
        return self.row.text[: self.row.start(self.stop)]

    @property
    def prompt_end(self) -> int:
        """Where the prompt's characters end."""
        return self.row.start(self.prompt_stop)

    def overlapping(self, span: Span, *, goes_on: bool = False) -> range:
        """Return the columns that hold any of some characters.

        A character of several tokens belongs to all of them.

        Args:
            span: Characters from the first to before the second.
            goes_on: Whether what comes next belongs to them, too, if they reach the end of what is
                known; then so do tokens there that are no whole character yet.
        """
        known = self.row.start(self.stop)
        start, end = span[0], min(span[1], known)
        is_open = goes_on and end == known
        if start >= end and not is_open:
            return range(0)
        first = bisect_right(self.row.ends, start)
        # The first bytes of a character have no characters yet; the text has them at the last.
        while first > self.first and self.row.start(first - 1) == self.row.ends[first - 1] == start:
            first -= 1
        return range(first, self.stop if is_open else bisect_left(self.row.ends, end) + 1)


Columns = Callable[[View], Iterable[int]]
"""From what is known of a text to the columns that are marked."""


@dataclass(frozen=True)
class _Row:
    text: RowText
    positions: list[int]
    prompt_length: int
    begins_with_bos: bool

    def views(self, past: int) -> Iterator[tuple[range, View]]:
        """What the real tokens of this pass know: together, where they know the same."""
        real = [column for column, position in enumerate(self.positions) if position >= 0]
        if not real:
            return
        in_prompt = [column for column in real if self.positions[column] < self.prompt_length]
        prompt_stop = in_prompt[-1] + 1 if in_prompt else real[0]
        bos = self.text.ends[real[0]] if self.begins_with_bos else 0

        def view(stop: int) -> View:
            return View(self.text, real[0], prompt_stop, stop, bos)

        if past < prompt_stop:
            yield range(max(past, real[0]), prompt_stop), view(prompt_stop)
        for column in real:
            if column >= max(past, prompt_stop):
                yield range(column, column + 1), view(column + 1)


def own_tokens(context: Context, columns: Columns) -> TokenMask:
    """Mark those tokens of the pass that are marked in the text as they know it.

    Text is looked at on the CPU, so that the token ids are waited for.
    """
    past, (batch, width) = context.past, context.positions.shape
    mask = [[False] * width for _ in range(batch)]
    for marks, row in zip(mask, context.mask(_rows), strict=True):
        for asking, view in row.views(past):
            for column in columns(view):
                if column in asking:
                    marks[column - past] = True
    return torch.tensor(mask, dtype=torch.bool).to(context.positions.device)


def all_tokens(context: Context, columns: Columns) -> KeyMask:
    """Mark, for each token of the pass, all tokens that are marked in the text as it knows it."""
    past = context.past
    shape = (*context.positions.shape, context.whole_positions.shape[1])
    mask = torch.zeros(shape, dtype=torch.bool)
    for number, row in enumerate(context.mask(_rows)):
        for asking, view in row.views(past):
            own = slice(asking.start - past, asking.stop - past)
            for column in {*columns(view)}:
                mask[number, own, column] = True
    return mask.to(context.positions.device)


def _rows(context: Context) -> list[_Row]:
    require_whole_prompt(context, "a scope of text")
    texts = context.texts
    positions, tokens = context.whole_positions.tolist(), context.whole_tokens
    ids = [] if tokens is None else tokens.tolist()
    bos = getattr(context.tokenizer, "bos_token_id", None)
    lengths = context.read_at_once.tolist()
    return [
        _Row(text, places, length, 0 in places and row[places.index(0)] == bos)
        for text, places, row, length in zip(texts, positions, ids, lengths, strict=True)
    ]
