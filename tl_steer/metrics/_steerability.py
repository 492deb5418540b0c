"""The steerability curve: what a strength does, how evenly, and where it backfires."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray
from scipy import stats

from tl_steer.arguments import Confidence, Count, Measured, Seed, checked
from tl_steer.drawing.canvas import blank_figure, legend_above, titled
from tl_steer.drawing.colours import COLOURS, PALE
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError, NonFiniteError
from tl_steer.metrics._share import share_interval
from tl_steer.page.html import result_html
from tl_steer.statistics import DRAWS, Interval

Values = Float[ndarray, "prompt strength"]


@checked
@dataclass(frozen=True, eq=False)
class Steerability:
    """What steering does to a value as its strength grows; made by :func:`steerability`."""

    curve: pd.DataFrame
    """A row for each strength, ascending: ``strength``, ``mean`` over prompts, ``low`` and
    ``high`` (interval over prompts; NaN for one prompt)."""

    prompts: pd.DataFrame
    """A row for each prompt: ``prompt_index``, ``prompt`` where it was given, ``slope`` (the
    value's unit for one unit of strength), ``linearity`` (R² of its own curve)."""

    values: pd.DataFrame
    """The value by prompt (rows) and strength (columns)."""

    slope: Interval
    """Mean slope over prompts, which is the slope of the mean curve."""

    linearity: Measured
    """R² of the mean curve: 1 for a straight line; NaN for a flat one, and for two strengths,
    through which a line always passes."""

    anti_steerable: Interval
    """Share of prompts with a negative slope, and its Wilson interval."""

    value: str
    """What the value is called."""

    @property
    def anti_steerable_prompts(self) -> tuple[int, ...]:
        """The numbers of the prompts with a negative slope, the steepest first."""
        moved = self.prompts[self.prompts["slope"] < 0].sort_values("slope", kind="stable")
        return tuple(int(number) for number in moved["prompt_index"])

    def plot(self) -> Figure:
        """Draw the mean curve with its interval over a thin line for each prompt.

        Prompts with a negative slope have a colour of their own.
        """
        figure, (axes,) = blank_figure(3.4, 1)
        strengths = self.curve["strength"]
        wrong = set(self.anti_steerable_prompts)
        labelled: set[str] = set()
        for number, row in self.values.iterrows():
            name = "moves the other way" if number in wrong else "one prompt"
            axes.plot(
                strengths,
                row.to_numpy(),
                color=COLOURS[1] if number in wrong else PALE,
                linestyle="--" if number in wrong else "-",
                linewidth=0.8,
                label="" if name in labelled else name,
            )
            labelled.add(name)
        axes.fill_between(
            strengths, self.curve["low"], self.curve["high"], color=COLOURS[0], alpha=0.2
        )
        axes.plot(strengths, self.curve["mean"], color=COLOURS[0], marker="o", label="mean")
        axes.set(xlabel="strength", ylabel=drawable(self.value, 34))
        legend_above(axes)
        share = self.anti_steerable.estimate
        return titled(
            figure,
            f"{self.value} moves by {self.slope.estimate:+.3g} per unit of strength; "
            f"{share:.0%} of prompts move the other way",
        )

    def __repr__(self) -> str:
        """Slope, linearity, and how many prompts move the wrong way."""
        share = self.anti_steerable
        return (
            f"Steerability of {self.value} over {len(self.prompts)} prompts, "
            f"{len(self.curve)} strengths: slope {self.slope}, linearity {self.linearity:.3f}, "
            f"{share.estimate:.0%} [{share.low:.0%}, {share.high:.0%}] anti-steerable"
        )

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.curve)


@checked
def steerability(
    frame: pd.DataFrame,
    *,
    value: str = "value",
    confidence: Confidence = 0.95,
    draws: Count = DRAWS,
    seed: Seed = 0,
) -> Steerability:
    """Fit a line through the value by strength, for each prompt and for their mean.

    For a prompt with values ``v`` at strengths ``s``, by least squares::

        slope = Σ (s − s̄)(v − v̄) / Σ (s − s̄)²
        linearity = R² = slope² Σ (s − s̄)² / Σ (v − v̄)²

    A prompt is anti-steerable where its slope is below 0. Intervals are percentile bootstrap
    intervals over prompts (see :func:`~tl_steer.statistics.paired_difference`); the
    interval of the share is Wilson's, which does not vanish when no prompt is anti-steerable.

    Source: Tan et al. 2024, "Analysing the Generalisation and Reliability of Steering Vectors",
    https://arxiv.org/abs/2407.12404 (there the value is a difference of logits).

    Args:
        frame: A row for each prompt and strength, or several, which are averaged (samples, seeds):
            ``prompt_index``, ``strength``, the column named by ``value``, and ``prompt`` if there
            is one. What :func:`~tl_steer.metrics.likelihood_contrasts`
            returns, or the texts of a sweep at one hook point with a judge's name as ``value``.
        value: The column.
        confidence: Share of such intervals that hold the truth; between 0 and 1.
        draws: Samples of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        DataError: For a missing column, one strength only, a prompt without a value at one of the
            strengths, or a confidence that cannot be.
        NonFiniteError: For a value or a strength that is NaN or infinite.
    """
    wide = _wide(frame, value)
    if not 0 < confidence < 1 or draws < 1:
        raise DataError(
            f"Got confidence={confidence} and draws={draws}. Expected a share between 0 and 1, and "
            "at least 1."
        )
    values, strengths = wide.to_numpy(dtype=float), wide.columns.to_numpy(dtype=float)
    slopes, linearity = _lines(values, strengths)

    def interval(each: Float[ndarray, "prompt *what"]) -> Any:
        if len(each) < 2:
            return np.full((2, *each.shape[1:]), np.nan)
        found = stats.bootstrap(
            (each,),
            np.mean,
            axis=0,
            n_resamples=draws,
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        return np.stack([found.low, found.high])

    low, high = interval(values)
    curve = pd.DataFrame({"strength": strengths, "mean": values.mean(0), "low": low, "high": high})
    prompts = pd.DataFrame(
        {"prompt_index": wide.index.to_numpy(), "slope": slopes, "linearity": linearity}
    )
    if "prompt" in frame:
        texts = frame.drop_duplicates("prompt_index").set_index("prompt_index")["prompt"]
        prompts.insert(1, "prompt", texts.loc[wide.index].to_numpy())
    slope_low, slope_high = interval(slopes)
    return Steerability(
        curve=curve,
        prompts=prompts,
        values=wide,
        slope=Interval(float(slopes.mean()), float(slope_low), float(slope_high), confidence),
        linearity=float(_lines(values.mean(0, keepdims=True), strengths)[1][0]),
        anti_steerable=share_interval(int((slopes < 0).sum()), len(slopes), confidence=confidence),
        value=value,
    )


def _wide(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean value by prompt and strength."""
    missing = [name for name in ("prompt_index", "strength", value) if name not in frame]
    if missing:
        raise DataError(
            f"the frame lacks {missing}; it has {list(frame)}. Give a row for each prompt and "
            "strength, and name the column of the value with value=."
        )
    _require_one_curve(frame)
    if "prompt" in frame:
        # What was given twice is one prompt, under the first of its numbers.
        first = frame.groupby("prompt")["prompt_index"].transform("min")
        frame = frame.assign(prompt_index=first)
    numbers = frame[["strength", value]].to_numpy(dtype=float)
    if not bool(np.isfinite(numbers).all()):
        at = int(np.argmin(np.isfinite(numbers).all(1)))
        raise NonFiniteError(
            f"row {at} has strength {numbers[at, 0]} and {value} {numbers[at, 1]}. If a value "
            "could not be measured, leave the prompt out at all strengths."
        )
    wide = frame.pivot_table(index="prompt_index", columns="strength", values=value, aggfunc="mean")
    if wide.shape[1] < 2:
        raise DataError(f"Got {wide.shape[1]} strength. A slope needs two, a curve five or more.")
    if bool(wide.isna().any(axis=None)):
        prompt, strength = wide.isna().stack().idxmax()
        raise DataError(
            f"prompt {prompt} has no value at strength {strength}. Give one for every prompt and "
            "strength, or the means would be over different prompts."
        )
    return wide


def _require_one_curve(frame: pd.DataFrame) -> None:
    """Refuse a sweep's frame with several directions or places in it; no steering fits any."""
    names = [each for each in ("direction", "hook_name", "scope", "prompts") if each in frame]
    steered = frame[frame["hook_name"] != ""] if "hook_name" in frame else frame
    for name in names:
        different = list(dict.fromkeys(steered[name]))
        if len(different) > 1:
            raise DataError(
                f"Got {len(different)} values of {name!r}, such as {different[0]!r} and "
                f"{different[1]!r}. A curve is of one: frame[frame[{name!r}] == {different[0]!r}]."
            )


def _lines(
    values: Values, strengths: Float[ndarray, " strength"]
) -> tuple[Float[ndarray, " prompt"], Float[ndarray, " prompt"]]:
    """Slope and R² of each row."""
    centred = strengths - strengths.mean()
    around = values - values.mean(1, keepdims=True)
    slopes = around @ centred / (centred @ centred)
    total = (around**2).sum(1)
    # What rounding makes of a constant is no curve.
    flat = np.sqrt(total) <= 1e-12 * np.abs(values).max(1)
    undefined = flat | (len(strengths) < 3)
    explained = slopes**2 * (centred @ centred)
    linearity = np.full(len(values), np.nan)
    np.divide(explained, total, out=linearity, where=~undefined)
    return np.where(flat, 0.0, slopes), linearity
