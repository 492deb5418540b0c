"""How far raters agree: Krippendorff's alpha, and each rater with herself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from tl_steer.arguments import checked
from tl_steer.errors import DataError, SteerError, to_install
from tl_steer.page.html import result_html
from tl_steer.statistics import Interval

Level = Literal["nominal", "ordinal", "interval"]

# Krippendorff, Content Analysis (4th edition 2018, chapter 12).
_RELIABLE, _TENTATIVE = 0.8, 0.667
_FEW_ITEMS, _FEW_REPEATS = 30, 10


@checked
@dataclass(frozen=True, eq=False)
class Agreement:
    """How far raters agree with each other, and with themselves."""

    alpha: Interval
    """Krippendorff's alpha: 1 for perfect agreement, 0 for that of chance, below for less. NaN
    where it is not defined."""

    level: Level
    """How differences count."""

    raters: int
    """How many gave an answer."""

    items: int
    """How many items two raters or more answered; repeats do not count."""

    consistency: pd.DataFrame = field(repr=False)
    """One row a rater, for the items that she answered twice: ``repeats`` (how many), ``same``
    (share of equal answers) and ``difference`` (mean size of the difference)."""

    notes: tuple[str, ...]
    """What to bear in mind, in words."""

    def __repr__(self) -> str:
        """Alpha, and what to bear in mind."""
        alpha = "not defined" if np.isnan(self.alpha.estimate) else self.alpha
        raters = "1 rater" if self.raters == 1 else f"{self.raters} raters"
        of = f"{raters}, {self.items} items that two or more answered"
        lines = [f"Agreement(alpha {alpha}, {self.level}; {of}"]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines) + ")"

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.consistency)


def agreement(
    frame: pd.DataFrame,
    values: Sequence[float],
    *,
    level: Level,
    confidence: float,
    draws: int,
    seed: int,
) -> Agreement:
    """Measure how far raters agree.

    Krippendorff's ``α = 1 − observed / expected disagreement``, as the package ``krippendorff``
    computes it: for any number of raters, with answers missing. Its interval is that of percentiles
    over draws of items with replacement; draws in which all answers are equal, so that alpha is not
    defined, do not count. Each item counts once, at its first showing.

    Args:
        frame: A row for each rater and item, with ``rater``, ``item``, ``condition``,
            ``prompt_index``, ``sample``, ``rating`` and ``repeat``.
        values: All that may be answered, ascending.
        level: How differences count.
        confidence: Of the interval.
        draws: Samples of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        SteerError: When ``krippendorff`` is not installed.
        DataError: For a level, confidence or draws that cannot be.
    """
    if level not in get_args(Level) or not 0 < confidence < 1 or draws < 1:
        raise DataError(
            f"level={level!r}, confidence={confidence}, draws={draws}: expected one of "
            f"{', '.join(get_args(Level))}, a share between 0 and 1, and at least 1."
        )
    package = _krippendorff()
    answered = frame[~frame["repeat"] & frame["rating"].notna()]
    counts = np.stack(
        [
            (answered["rating"] == value).groupby(answered["item"], sort=False).sum().to_numpy(int)
            for value in values
        ],
        axis=1,
    ).reshape(-1, len(values))
    counts = counts[counts.sum(axis=1) >= 2]
    rng = np.random.default_rng(seed)
    estimate = _alpha(package, counts, values, level)
    drawn = np.array(
        [
            _alpha(package, counts[rng.integers(len(counts), size=len(counts))], values, level)
            for _ in range(0 if np.isnan(estimate) else draws)
        ]
    )
    defined = drawn[~np.isnan(drawn)]
    tail = (1 - confidence) / 2
    low, high = (
        np.quantile(defined, [tail, 1 - tail]) if len(counts) > 1 and len(defined) else [np.nan] * 2
    )
    alpha = Interval(estimate, float(low), float(high), confidence)
    consistency = _consistency(frame)
    raters = answered["rater"].nunique()
    notes = _notes(alpha, raters, len(counts), consistency, len(drawn) - len(defined), len(drawn))
    return Agreement(alpha, level, raters, len(counts), consistency, notes)


def _alpha(package: Any, counts: np.ndarray, values: Sequence[float], level: Level) -> float:
    """NaN where there is one answer only, and so no disagreement to be expected."""
    if (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    return float(
        package.alpha(value_counts=counts, value_domain=list(values), level_of_measurement=level)
    )


def _consistency(frame: pd.DataFrame) -> pd.DataFrame:
    """Answers of each rater to the first and the second showing of an item."""
    keys = ["rater", "condition", "prompt_index", "sample"]
    again = frame.loc[frame["repeat"], [*keys, "rating"]]
    both = frame.loc[~frame["repeat"], [*keys, "rating"]].merge(
        again, on=keys, suffixes=("", "_again")
    )
    both = both.dropna(subset=["rating", "rating_again"])
    both["difference"] = (both["rating"] - both["rating_again"]).abs()
    both["same"] = both["difference"] == 0
    found = both.groupby("rater", sort=False).agg(
        repeats=("same", "size"), same=("same", "mean"), difference=("difference", "mean")
    )
    found = found.reindex(pd.Index(list(dict.fromkeys(frame["rater"])), name="rater"))
    found["repeats"] = found["repeats"].fillna(0).astype(int)
    return found


def _notes(
    alpha: Interval,
    raters: int,
    items: int,
    consistency: pd.DataFrame,
    undefined: int,
    draws: int,
) -> tuple[str, ...]:
    notes = []
    if raters < 2:
        notes.append("One rater at most: agreement cannot be told. Ask two more.")
    elif raters == 2:
        notes.append("Two raters: a third would show whether one of them stands alone.")
    if raters >= 2 and items == 0:
        notes.append("No item was answered by two raters, so there is nothing to compare.")
    elif raters >= 2 and items < _FEW_ITEMS:
        notes.append(f"{items} items are few: the interval is rough, and likely too narrow.")
    if items and np.isnan(alpha.estimate):
        notes.append("All answers are the same, so that alpha is not defined.")
    elif alpha.estimate < _TENTATIVE:
        notes.append(f"Alpha below {_TENTATIVE}: too little to rest conclusions on (Krippendorff).")
    elif alpha.estimate < _RELIABLE:
        notes.append(f"Alpha below {_RELIABLE}: for tentative conclusions only (Krippendorff).")
    if undefined:
        notes.append(f"{undefined} of {draws} draws held one answer only, and do not count.")
    repeats = int(consistency["repeats"].max()) if len(consistency) else 0
    if repeats == 0:
        notes.append("Nobody answered an item twice: whether raters agree with themselves is open.")
    elif repeats < _FEW_REPEATS:
        notes.append(f"{repeats} repeats a rater at most: consistency is a rough guess.")
    return tuple(notes)


def _krippendorff() -> Any:
    try:
        import krippendorff
    except ImportError as error:
        raise SteerError(
            f"Agreement needs the package krippendorff: {to_install('krippendorff')}."
        ) from error
    return krippendorff
