"""Numbers with a range, as annotations: ``draws: Count``."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """What a number may be; stands in ``Annotated[int, Range(...)]``."""

    says: str
    """In words, after "a whole number" or "a number"."""

    least: float = float("-inf")
    over: float = float("-inf")
    most: float = float("inf")
    under: float = float("inf")

    def holds(self, number: float) -> bool:
        """Whether a number is in it."""
        return self.least <= number <= self.most and self.over < number < self.under


@dataclass(frozen=True)
class Unbounded:
    """A number that may be NaN or infinite, as what was measured may be."""


LARGEST = 2**63 - 1
"""What fits the integers of torch and numpy."""

Count = Annotated[int, Range("of at least 1", least=1, most=LARGEST)]
"""How many, where none makes no sense."""

Index = Annotated[int, Range("from 0 on", least=0, most=LARGEST)]
"""How many, where none does; or the number of something, counted from 0."""

Seed = Annotated[int, Range("from 0 on", least=0, most=2**53)]
"""Of a generator of random numbers."""

Positive = Annotated[float, Range("over 0", over=0)]

NotNegative = Annotated[float, Range("of at least 0", least=0)]

Share = Annotated[float, Range("from 0 to 1", least=0, most=1)]

Confidence = Annotated[float, Range("between 0 and 1", over=0, under=1)]

Measured = Annotated[float, Unbounded()]
"""A result, which is NaN where it could not be had."""
