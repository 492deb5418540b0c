"""Which tokens of a text to read, and how they become one vector.

A read is a function from the tokens of a batch to a mask. The vector of a text is the mean over its
marked tokens. You can write your own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Annotated, Protocol, SupportsIndex, runtime_checkable

import torch

from tl_steer.arguments import Words, checked, means
from tl_steer.errors import DataError, SteerError
from tl_steer.shapes import TokenMask

Span = tuple[int, int]

Expression = Annotated[
    str | re.Pattern[str],
    Words("a regular expression on text", "regular expressions", "Such as r'because (.*)'."),
]


@dataclass(frozen=True, eq=False)
class TextTokens:
    """The tokens of a right-padded batch at one hook point."""

    real: TokenMask
    """All but padding."""

    eligible: TokenMask
    """All that are not left out: no padding, and by default no beginning-of-text token, no first
    position and no massive activation."""

    texts: Sequence[str]
    """The texts of the rows."""

    spans: Callable[[], list[list[Span]]]
    """Which characters of its text each real token covers; asked for only where needed."""


@means("a read", instead="For example LastToken().")
@runtime_checkable
class Read(Protocol):
    """Marks the tokens that are read."""

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Return True for the tokens that make up the vector of a text."""
        ...


@checked
@dataclass(frozen=True)
class MeanOfTokens:
    """The mean of all eligible tokens."""

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark all eligible tokens."""
        return tokens.eligible


@checked
@dataclass(frozen=True)
class LastToken:
    """The last eligible token. In a chat it belongs to the template, and you are warned."""

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark the last eligible token of each row."""
        after = tokens.eligible.flip(-1).cumsum(-1).flip(-1)
        return tokens.eligible & (after == 1)


@checked
@dataclass(frozen=True)
class TokenAt:
    """The token at an index, counted from the text's start, or from its end when negative.

    It is always read: ``TokenAt(0)`` reads the first position.

    Raises:
        SteerError: If it is not a whole number.
    """

    index: int

    def __post_init__(self) -> None:
        """Refuse anything that is not an index."""
        is_truth = isinstance(self.index, bool)
        if is_truth or not isinstance(self.index, SupportsIndex):
            raise SteerError(f"TokenAt({self.index!r}): expected a whole number, such as -1.")
        object.__setattr__(self, "index", index(self.index))

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark one token in each row.

        Raises:
            DataError: When a text has fewer tokens.
        """
        lengths = tokens.real.sum(-1, keepdim=True)
        wanted = self.index if self.index >= 0 else lengths + self.index
        positions = torch.arange(tokens.real.shape[1], device=tokens.real.device)
        mask = tokens.real & (positions == wanted)
        if not bool(mask.any(-1).all()):
            short = int((~mask.any(-1)).nonzero()[0])
            raise DataError(
                f"{tokens.texts[short]!r} has {int(lengths[short])} tokens, so none at index "
                f"{self.index}."
            )
        return mask


@checked
@dataclass(frozen=True)
class AnswerToken:
    """The token that holds the answer, found by a regular expression.

    The first group of the last match counts; the default finds the letter of an answer such as
    ``(A)`` (contrastive activation addition, Rimsky et al. 2024, https://arxiv.org/abs/2312.06681).

    Raises:
        SteerError: If it is not a regular expression.
    """

    pattern: Expression = r"\(([A-Z])"

    def __post_init__(self) -> None:
        """Refuse a pattern that cannot be searched for."""
        require_pattern(self.pattern, "AnswerToken")

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark the token that covers the answer's last character.

        Raises:
            DataError: For a text without a match.
        """
        mask = torch.zeros_like(tokens.real)
        for row, (text, spans) in enumerate(zip(tokens.texts, tokens.spans(), strict=True)):
            matches = list(re.finditer(self.pattern, text))
            group = 1 if matches and matches[-1].re.groups else 0
            # A group of no characters, or that took no part, is no answer.
            ends = [each.end(group) for each in matches if each.start(group) < each.end(group)]
            if not ends:
                raise DataError(f"nothing in {text!r} matches {self.pattern!r}.")
            character = ends[-1] - 1
            covering = [i for i, (start, end) in enumerate(spans) if start <= character < end]
            mask[row, covering] = True
        return mask


@checked
@dataclass(frozen=True)
class EveryToken:
    """Every eligible token, each as a separate example."""

    def __call__(self, tokens: TextTokens) -> TokenMask:
        """Mark all eligible tokens."""
        return tokens.eligible


def require_pattern(pattern: object, by: str) -> None:
    """Refuse what cannot be searched for in a text.

    Raises:
        SteerError: If it is not a regular expression on text, and for an empty one.
    """
    text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    if not isinstance(text, str) or not text:
        raise SteerError(
            f"{by}({pattern!r}): expected a regular expression on text, such as r'because (.*)'."
        )
    try:
        re.compile(text)
    except re.error as error:
        raise SteerError(f"{text!r} is not a regular expression: {error}.") from error
