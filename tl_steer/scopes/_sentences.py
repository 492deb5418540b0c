"""Sentences, counted from the beginning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._given import one_by_one
from tl_steer.scopes._scripts import SENTENCE_END
from tl_steer.scopes._text import Span, View, own_tokens
from tl_steer.shapes import TokenMask


@stored_as("Sentences")
@checked
@dataclass(frozen=True)
class Sentences:
    """Tokens of some sentences, counted from 0: ``Sentences(0)``, ``Sentences(1, 2)``.

    A sentence ends at ``.``, ``!``, ``?`` or ``…`` before white space, at their wide forms of
    Chinese and Japanese, which need none, at the full stops of other scripts, and at
    the end of a line. Abbreviations are not known, special tokens count as text, and in Thai, which
    has no full stop, a line is one sentence. A negative number counts from the end of what is
    known: for a token of the prompt from the end of the prompt, for a generated one from itself.

    Raises:
        SteerError: For no number, or anything but a whole one.
    """

    which: tuple[int, ...]

    of_generated: bool = False
    """Whether sentences are counted from where the model begins to write."""

    def __init__(self, *which: int | Iterable[int], of_generated: bool = False) -> None:
        """Take numbers, or a list of them."""
        numbers = one_by_one(which)
        if not numbers:
            raise SteerError("Sentences() marks nothing. Give numbers from 0, the first sentence.")
        object.__setattr__(self, "which", numbers)
        object.__setattr__(self, "of_generated", of_generated)

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return own_tokens(context, self.columns)

    def columns(self, view: View) -> Iterator[int]:
        """Find the columns to be marked in what is known of a text."""
        text = view.text
        found = sentences(text, view.prompt_end if self.of_generated else view.bos)
        ended = any(match.end() == len(text) for match in SENTENCE_END.finditer(text))
        for number in self.which:
            if -len(found) <= number < len(found):
                yield from view.overlapping(found[number], goes_on=not ended)


def sentences(text: str, start: int = 0) -> list[Span]:
    """Split a text, from some character on, into sentences without the white space between."""
    ends = [match.end() for match in SENTENCE_END.finditer(text, start)]
    pieces = zip([start, *ends], [*ends, len(text)], strict=True)
    found = []
    for begin, end in pieces:
        piece = text[begin:end]
        if piece.strip():
            begin += len(piece) - len(piece.lstrip())
            found.append((begin, begin + len(piece.strip())))
    return found
