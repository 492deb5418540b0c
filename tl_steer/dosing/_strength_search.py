"""The largest dose that is feasible, found by few tries: doubling or halving, then bisection."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

TOLERANCE = 1.1
"""A search ends where a feasible and an infeasible dose are within this factor of each other."""


@dataclass(frozen=True)
class StrengthSearch:
    """What is known of the largest feasible dose, and what is to be tried next.

    From the first dose it is doubled for as long as it is feasible, or halved until it is; then the
    geometric middle between the largest feasible dose and the smallest infeasible one above it is
    tried. When the very first dose is infeasible, its half and its double are tried together: few
    texts measure with an error, and a wrong turn there would lose everything above.
    """

    first: float
    most: float
    """No dose above this is tried."""

    tries: int
    """At most so many doses."""

    feasible: tuple[float, ...] = ()
    infeasible: tuple[float, ...] = ()

    @property
    def tried(self) -> int:
        """How many doses were tried."""
        return len(self.feasible) + len(self.infeasible)

    @property
    def low(self) -> float:
        """The largest feasible dose; 0 where none was found."""
        return max(self.feasible, default=0.0)

    @property
    def high(self) -> float:
        """The smallest infeasible dose above ``low``; infinite where none was found."""
        return min((dose for dose in self.infeasible if dose > self.low), default=math.inf)

    @property
    def next(self) -> tuple[float, ...]:
        """Doses to be tried; none when the search has ended."""
        left = self.tries - self.tried
        if left <= 0:
            return ()
        if not self.tried:
            return (min(self.first, self.most),)
        if not self.feasible:
            half = min(self.infeasible) / 2
            double = 2 * self.infeasible[0]
            both = self.tried == 1 and left > 1 and double <= self.most
            return (half, double) if both else (half,)
        if self.low >= self.most or self.high <= TOLERANCE * self.low:
            return ()
        if math.isinf(self.high):
            return (min(2 * self.low, self.most),)
        return (math.sqrt(self.low * self.high),)

    def after(self, found: Mapping[float, bool]) -> "StrengthSearch":
        """What is known after doses were tried: whether each is feasible."""
        return replace(
            self,
            feasible=(*self.feasible, *(dose for dose, fits in found.items() if fits)),
            infeasible=(*self.infeasible, *(dose for dose, fits in found.items() if not fits)),
        )
