"""What people are asked about each text, and what they may answer."""

import re
from dataclasses import dataclass
from typing import Literal

from tl_steer.arguments import checked
from tl_steer.errors import DataError

Kind = Literal["single", "pair"]
FIRST, SECOND, SAME, SKIP = "first", "second", "same", "skip"
_WHOLE = re.compile(r"(\d{1,3})(?:[.,]0+)?")


@checked
@dataclass(frozen=True)
class Question:
    """A question with its answers: whole numbers of a scale, or which one of two texts.

    Raises:
        DataError: For no question, or a scale that does not fit on a form.
    """

    text: str
    """As raters read it."""

    kind: Kind = "single"
    """``single``: one text, answered by a number. ``pair``: two texts, answered by ``first``,
    ``second`` or ``same``."""

    low: int = 1
    """Least number of the scale; without meaning for pairs."""

    high: int = 5
    """Greatest number of the scale; without meaning for pairs."""

    low_label: str = "not at all"
    """What the least number means."""

    high_label: str = "very much"
    """What the greatest number means."""

    def __post_init__(self) -> None:
        """Look at the scale."""
        if not self.text.strip():
            raise DataError('ask something, such as question="How positive is this text?".')
        if self.kind not in ("single", "pair"):
            raise DataError(f'kind={self.kind!r}: "single" texts or "pair"s of them.')
        if not 0 <= self.low < self.high <= 10:
            raise DataError(
                f"scale=({self.low}, {self.high}): expected two whole numbers from 0 to 10, the "
                "lower first."
            )

    @property
    def answers(self) -> tuple[str, ...]:
        """What may be answered, besides ``skip``; in the order in which it is shown."""
        if self.kind == "pair":
            return (FIRST, SAME, SECOND)
        return tuple(str(value) for value in range(self.low, self.high + 1))

    @property
    def values(self) -> tuple[float, ...]:
        """The answers as numbers: those of the scale; of pairs 0, ½ and 1."""
        if self.kind == "pair":
            return (0.0, 0.5, 1.0)
        return tuple(float(value) for value in range(self.low, self.high + 1))

    @property
    def how(self) -> str:
        """What to put into a cell of a spreadsheet, in words."""
        if self.kind == "pair":
            return f"{FIRST}, {SECOND} or {SAME}; {SKIP} = prefer not to say"
        low = f"{self.low} = {self.low_label}" if self.low_label else f"{self.low}"
        high = f"{self.high} = {self.high_label}" if self.high_label else f"{self.high}"
        return f"{low} … {high}; {SKIP} = prefer not to say"

    def value(self, answer: str, side: str) -> float | None:
        """An answer as a number.

        Args:
            answer: As it was written. ``4.0`` and ``4,0``, which spreadsheets make of 4, are 4.
            side: Of a pair, where the condition in question stood: ``first`` or ``second``.

        Returns:
            The number of the scale; of a pair 1 where the condition was preferred, 0 where the
            other was, ½ for ``same``. NaN for ``skip`` and for nothing. None if it is no answer.
        """
        word = answer.strip().casefold()
        if word in ("", SKIP):
            return float("nan")
        if self.kind == "pair":
            if word not in self.answers:
                return None
            return 0.5 if word == SAME else float(word == side)
        whole = _WHOLE.fullmatch(word)
        if whole is None or not self.low <= int(whole[1]) <= self.high:
            return None
        return float(whole[1])
