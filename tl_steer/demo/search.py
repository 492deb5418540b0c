"""Where and how strongly, on the validation prompts, under a limit on perplexity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tl_steer.demo.candidate import Candidate
from tl_steer.errors import SteerError

Measured = Callable[[Mapping[str, Candidate]], pd.DataFrame]
"""Writes and measures under several conditions; see :func:`tl_steer.metrics.measure`."""

UNSTEERED = "unsteered"
JUDGE = "sentiment"
STEP = 1.25
"""Factor between one strength and the next."""

STEPS = 4
"""At most so many of them in each direction."""

PERPLEXITY_LIMIT = 1.5
DISTINCT_LIMIT = 0.05


@dataclass(frozen=True, eq=False)
class Choice:
    """What the search chose at one site."""

    positive: Candidate
    negative: Candidate
    curve: pd.DataFrame
    """A row for everything that was tried: ``hook_name``, ``strength``, the measures, and
    ``perplexity_ratio`` to the unsteered text."""


def search(
    measured: Measured, unsteered: pd.DataFrame, places: Sequence[Candidate], *, margin: float
) -> Choice:
    """Choose the layers at one strength, then the strength in each direction.

    The layers are those where the judge's mean goes furthest apart between the strength and its
    negative, with both within the limits. From there each direction goes up in steps for as long
    as it stays within the limits, or down until it does, and the strength with the largest effect
    within them is taken.

    Args:
        measured: Writes and measures on the validation prompts.
        unsteered: What it measures of the unsteered model: one row.
        places: Runs of layers of one site, each with the strength to compare them at.
        margin: Part of the allowed increase in perplexity that may be spent, under 1 because a few
            dozen texts measure it with an error.

    Raises:
        SteerError: When nothing stays within the limits.
    """
    tried = _Tried(measured, unsteered.rename(index={unsteered.index[0]: UNSTEERED}), margin)
    tried.run([one for place in places for one in (place, place.times(-1))])
    best = max(places, key=tried.spread)
    chosen = [tried.strongest(best.times(sign)) for sign in (1, -1)]
    return Choice(positive=chosen[0], negative=chosen[1], curve=tried.curve)


@dataclass(eq=False)
class _Tried:
    """All candidates that were measured so far."""

    measured: Measured
    curve: pd.DataFrame
    margin: float

    def __post_init__(self) -> None:
        self.curve = self.curve.assign(hook_name="", strength=0.0, perplexity_ratio=1.0)

    def run(self, candidates: Sequence[Candidate]) -> None:
        found = self.measured({one.name: one for one in candidates})
        base = self.curve.loc[UNSTEERED, "perplexity"]
        found = found.assign(
            hook_name=[one.hook_name for one in candidates],
            strength=[one.strength for one in candidates],
            perplexity_ratio=found["perplexity"] / base,
        )
        self.curve = pd.concat([self.curve, found])

    def within(self, one: Candidate) -> bool:
        row, base = self.curve.loc[one.name], self.curve.loc[UNSTEERED]
        return bool(
            row["perplexity_ratio"] <= 1 + self.margin * (PERPLEXITY_LIMIT - 1)
            and abs(row["distinct_2"] - base["distinct_2"]) <= DISTINCT_LIMIT
        )

    def effect(self, one: Candidate) -> float:
        sign = 1 if one.strength > 0 else -1
        return sign * float(self.curve.loc[one.name, JUDGE] - self.curve.loc[UNSTEERED, JUDGE])

    def spread(self, place: Candidate) -> tuple[bool, float]:
        both = (place, place.times(-1))
        # What leaves the limits comes behind everything that does not, whatever it reaches.
        return all(map(self.within, both)), sum(map(self.effect, both))

    def strongest(self, start: Candidate) -> Candidate:
        upward = self.within(start)
        path = [start]
        while len(path) <= STEPS:
            path.append(path[-1].times(STEP if upward else 1 / STEP))
            self.run(path[-1:])
            if self.within(path[-1]) != upward:
                break
        allowed = [one for one in path if self.within(one)]
        if not allowed:
            raise SteerError(
                f"{start.hook_name}: even strength {path[-1].strength:+.3g} costs more than "
                f"{PERPLEXITY_LIMIT} times the unsteered perplexity; begin with less."
            )
        return max(allowed, key=self.effect)
