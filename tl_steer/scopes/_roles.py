"""Whose turn it is: the roles of a chat template."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.turns import Span, learned, marker_pattern, turn_spans
from tl_steer.scopes._text import View, own_tokens
from tl_steer.shapes import TokenMask

_USUAL = ("user", "assistant", "system", "tool")


@stored_as("Turns")
@dataclass(frozen=True)
class Turns:
    """Tokens of what one role says in a chat; :func:`role` makes it from a model's template.

    The markers around a turn are not part of it. A turn ends at its closing marker, where the next
    one opens, or, while it is being written, at the end of what is known.
    """

    role: str

    openings: tuple[tuple[str, str], ...]
    """Whose turn begins at which marker, the longest marker first."""

    closings: tuple[str, ...]
    """Markers at which a turn of this role ends."""

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return own_tokens(context, self.columns)

    def columns(self, view: View) -> Iterator[int]:
        """Find the columns to be marked in what is known of a text."""
        for span in self._turns(view.text):
            yield from view.overlapping(span, goes_on=True)

    def spans(self, text: str) -> list[Span]:
        """Characters of each turn of this role that says something."""
        return [(start, end) for start, end in self._turns(text) if start < end]

    def _turns(self, text: str) -> Iterator[Span]:
        for start, end in turn_spans(text, self.role, self.openings):
            closed = self._closing.search(text, start, end) if self.closings else None
            yield start, closed.start() if closed else end

    @cached_property
    def _closing(self) -> re.Pattern[str]:
        return re.compile("|".join(map(marker_pattern, self.closings)))


@checked
def role(model: SteerableModel, name: str) -> Turns:
    """Make a scope of what one role says: ``role(model, "user")``.

    The markers are found out by putting contents that stand for themselves through the tokenizer's
    own chat template. What the model writes after a prompt that ends with the opening of the
    assistant's turn belongs to ``"assistant"``. What a template itself says in a system's turn
    belongs to ``"system"``. Some templates write the system's text at the beginning of a user's
    turn with nothing between that could be found again (Gemma 3, Mistral before its version 7):
    there it is the user's.

    Args:
        model: Whose tokenizer has a chat template.
        name: ``"user"``, ``"assistant"``, ``"system"``, or another one that the template takes.

    Raises:
        SteerError: Without a chat template, and for a role that the template refuses, leaves out or
            folds into another.
    """
    require_steerable(model)
    _require_name(name)
    markers = learned(model, *([] if name in _USUAL[:3] else [name]))
    if name not in markers.closings:
        raise SteerError(
            "this model's chat template takes no 'system' turn of its own: it writes the system's "
            "text into the user's, and nothing between the two. Find the text itself: "
            "Regex(re.escape(text))."
            if markers.folded
            else f"this model's chat template takes no {name!r} turn, or leaves it out."
        )
    return Turns(name, markers.openings, markers.closings[name])


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise SteerError(f'role(model, {name!r}): expected a name, such as role(model, "user").')
    meant = get_close_matches(name.strip().lower(), _USUAL, n=1, cutoff=0.8)
    if meant and name not in _USUAL:
        raise SteerError(f"role(model, {name!r}): do you mean {meant[0]!r}?")
