"""Reads that find a place in the text: by a pattern, a function, or the assistant's answer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Annotated

import torch

from tl_steer.activations._reads import Read, Span, TextTokens, require_pattern
from tl_steer.arguments import Words, checked
from tl_steer.data import last_response
from tl_steer.errors import DataError, SteerError
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.shapes import TokenMask

FindSpans = Callable[[str], Sequence[Span]]
"""From a text to the characters that are meant: pairs of the first, and the one after the last."""


@checked
@dataclass(frozen=True, repr=False)
class InSpans:
    """The eligible tokens that overlap a span of the text.

    ``InSpans("because (.*)")`` reads the reason given.

    Raises:
        SteerError: For a pattern that is no regular expression, or an empty one.
    """

    find: Annotated[
        str | re.Pattern[str] | FindSpans,
        Words(
            "a regular expression on text, or a function from a text to spans",
            "regular expressions",
            "Such as r'because (.*)'.",
        ),
    ]
    """A regular expression, whose matches all count (their first group, if there is one); or a
    function from a text to pairs of characters ``(start, end)``."""

    def __post_init__(self) -> None:
        """Refuse what cannot be searched for."""
        if not callable(self.find):
            require_pattern(self.find, "InSpans")

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark the tokens of every place that is found.

        Raises:
            DataError: If nothing is found in a text.
        """
        mask = torch.zeros_like(tokens.eligible)
        for row, (text, covered) in enumerate(zip(tokens.texts, tokens.spans(), strict=True)):
            places = [(start, end) for start, end in self._found(text) if start < end]
            if any(start < 0 for start, _ in places):
                raise DataError(
                    f"{self!r} found the span {places} in {text!r}. Count characters from 0."
                )
            if not places:
                raise DataError(f"{self!r} finds nothing in {text!r}. Drop the text.")
            mask[row, [i for i, token in enumerate(covered) if _overlaps(token, places)]] = True
        return mask & tokens.eligible

    def _found(self, text: str) -> Sequence[Span]:
        if callable(self.find):
            return _pairs(self.find(text), self)
        # A group that took no part in a match is at -1, -1, and drops out as empty.
        return [match.span(1 if match.re.groups else 0) for match in re.finditer(self.find, text)]

    def __repr__(self) -> str:
        """Stable between runs, because it is kept with what was read."""
        name = getattr(self.find, "__qualname__", None)
        return f"InSpans({self.find!r})" if name is None else f"InSpans({name})"


@dataclass(frozen=True)
class FirstOf:
    """The first of the tokens that another read marks.

    Raises:
        SteerError: If it is not a read.
    """

    read: Read

    def __post_init__(self) -> None:
        """Refuse anything that is not a read."""
        _require_read(self.read, "FirstOf")

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark one token in each row that has any."""
        marked = self.read(tokens)
        return marked & (marked.cumsum(-1) == 1)


@dataclass(frozen=True)
class LastOf:
    """The last of the tokens that another read marks.

    Raises:
        SteerError: If it is not a read.
    """

    read: Read

    def __post_init__(self) -> None:
        """Refuse anything that is not a read."""
        _require_read(self.read, "LastOf")

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark one token in each row that has any."""
        marked = self.read(tokens)
        return marked & (marked.flip(-1).cumsum(-1).flip(-1) == 1)


@checked
def response_tokens(model: SteerableModel) -> InSpans:
    """Read the mean over the assistant's last answer, as ``conversations`` writes it.

    The chat template shows where answers begin and end; the tokens that close an answer are not
    part of it. ``FirstOf(response_tokens(model))`` is its first token, ``LastOf`` its last.

    Raises:
        SteerError: For a tokenizer without a chat template.
    """
    require_steerable(model)
    return InSpans(last_response(model))


@checked
def first_response_token(model: SteerableModel) -> FirstOf:
    """Read the first token of the assistant's last answer.

    Raises:
        SteerError: For a tokenizer without a chat template.
    """
    return FirstOf(response_tokens(model))


@checked
def last_response_token(model: SteerableModel) -> LastOf:
    """Read the last token of the assistant's last answer.

    Raises:
        SteerError: For a tokenizer without a chat template.
    """
    return LastOf(response_tokens(model))


def _pairs(found: object, asked: object) -> Sequence[Span]:
    try:
        pairs = [(index(start), index(end)) for start, end in found]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise SteerError(
            f"{asked!r}: the function returned {found!r}. Expected pairs of whole numbers, the "
            "first character and the one after the last: [(0, 4)], or [] for nothing."
        ) from error
    return pairs


def _require_read(read: object, by: str) -> None:
    if not callable(read) or isinstance(read, type):
        raise SteerError(f"{by}({read!r}): expected a read, such as InSpans(pattern).")


def _overlaps(token: Span, places: Sequence[Span]) -> bool:
    return any(token[0] < end and token[1] > start for start, end in places)
