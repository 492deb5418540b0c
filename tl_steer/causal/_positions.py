"""Which tokens are exchanged, and which of them together.

A choice of positions is a function from the number of tokens of a prompt to groups of tokens, each
of which is a site. A user's own function is as good as these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from tl_steer.arguments import came, checked
from tl_steer.errors import SteerError

Groups = Mapping[int | None, Sequence[int]]
"""From a label to tokens. Tokens from 0 on count from the first, negative ones from the last."""


@runtime_checkable
class PositionChoice(Protocol):
    """Groups the tokens of a prompt into sites."""

    def __call__(self, length: int) -> Groups:
        """Return the groups of a prompt of ``length`` tokens.

        The label of a group is its position, or ``None`` where it is several. Groups of several
        prompts with the same label are the same site.
        """
        ...


@checked
@dataclass(frozen=True)
class AllPositions:
    """All tokens of the prompt together: one site."""

    def __call__(self, length: int) -> Groups:
        """Return one group."""
        return {None: range(length)}


@checked
@dataclass(frozen=True)
class EachPosition:
    """Every token a site of its own.

    Where prompts are of unequal length, a position is averaged over the prompts that have it.
    """

    from_end: bool = False
    """Whether position -1 is every prompt's last token, or position 0 its first."""

    def __call__(self, length: int) -> Groups:
        """Return one group a token, in the order of the text."""
        positions = range(-length, 0) if self.from_end else range(length)
        return {position: (position,) for position in positions}


@checked
@dataclass(frozen=True)
class AtPosition:
    """One token: ``AtPosition(-1)`` is the last of every prompt. Shorter prompts lack it."""

    position: int

    def __call__(self, length: int) -> Groups:
        """Return one group, or none."""
        there = -length <= self.position < length
        return {self.position: (self.position,)} if there else {}


def groups_of(choice: PositionChoice, length: int, *, prompt: int) -> Groups:
    """Ask a choice for the groups of a prompt.

    Raises:
        SteerError: For tokens that the prompt does not have.
    """
    groups: Any = choice(length)  # a function of the user's may return anything
    if not isinstance(groups, Mapping):
        raise SteerError(
            f"positions: {choice!r} returned {came(groups)}. Return a dict from labels to lists of "
            "tokens."
        )
    for label, tokens in groups.items():
        wrong = [token for token in tokens if not -length <= token < length]
        if wrong or not len(tokens):
            raise SteerError(
                f"positions: {choice!r} gave tokens {list(tokens)} as {label} of prompt {prompt}, "
                f"which has {length}. Expected some from 0 to {length - 1}, or from {-length} to "
                "-1."
            )
    return groups
