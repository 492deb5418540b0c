"""How sure an effect is: intervals, distance from controls, and several comparisons at once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats

from tl_steer.arguments import Confidence, Count, Index, Measured, Seed, checked
from tl_steer.errors import DataError, NonFiniteError

DRAWS = 4999


@checked
@dataclass(frozen=True)
class Interval:
    """A number that was estimated, and the ends of its confidence interval."""

    estimate: Measured
    low: Measured
    high: Measured
    confidence: Confidence = 0.95

    def __str__(self) -> str:
        """The estimate, signed, and the ends."""
        return f"{self.estimate:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


@checked
def paired_difference(
    steered: Float[ndarray, " text"],
    baseline: Float[ndarray, " text"],
    prompt: Int[ndarray, " text"],
    *,
    confidence: Confidence = 0.95,
    draws: Count = DRAWS,
    seed: Seed = 0,
) -> Interval:
    """Mean difference between two conditions, with its paired bootstrap interval over prompts.

    With the scores ``s`` and ``b`` of the same prompt, sample and seed under the two conditions::

        difference = mean(s − b) over all texts

    Prompts are drawn with replacement, and all texts of a prompt go together: they are not
    independent, so that an interval over texts would be too narrow. Samples of several seeds are
    further texts of their prompts. The interval is that of percentiles (Efron and Tibshirani 1993,
    chapter 13), which is somewhat too narrow for few prompts.

    Args:
        steered: Scores under the one condition.
        baseline: Scores under the other, in the same order.
        prompt: Which prompt each text belongs to.
        confidence: Share of such intervals that hold the true difference; between 0 and 1.
        draws: Samples of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        The difference and the ends; these are NaN for fewer than two prompts.

    Raises:
        DataError: For no texts, unequal numbers of them, or a confidence that cannot be.
        NonFiniteError: For a score that is NaN or infinite.
    """
    if not len(steered) or not len(steered) == len(baseline) == len(prompt):
        raise DataError(
            f"Got {len(steered)} and {len(baseline)} scores for {len(prompt)} texts. Give one of "
            "each for every text, and at least one text."
        )
    if not 0 < confidence < 1 or draws < 1:
        raise DataError(
            f"Got confidence={confidence} and draws={draws}. Expected a share between 0 and 1, and "
            "at least 1."
        )
    differences = np.asarray(steered, dtype=float) - np.asarray(baseline, dtype=float)
    _require_finite(differences, "a difference of scores")
    _, which = np.unique(prompt, return_inverse=True)
    sums, sizes = np.bincount(which, weights=differences), np.bincount(which).astype(float)
    estimate = float(differences.mean())
    if len(sums) < 2:
        return Interval(estimate, float("nan"), float("nan"), confidence)
    found = stats.bootstrap(
        (sums, sizes),
        _ratio,
        paired=True,
        vectorized=True,
        n_resamples=draws,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(estimate, float(found.low), float(found.high), confidence)


def prompts_of(texts: pd.DataFrame) -> Int[ndarray, " text"]:
    """Number the prompts that texts were written for, where those of the same words are one.

    Intervals are over prompts, which are what was drawn from a population. A prompt that was given
    three times is one of them, and its texts are further samples of it.

    Args:
        texts: With ``prompt``, the words, or ``prompt_index`` alone.
    """
    known = "prompt" in texts
    which: Int[ndarray, " text"] = (
        pd.factorize(texts["prompt"])[0] if known else texts["prompt_index"].to_numpy()
    )
    return which


@checked
def mean_interval(
    values: Float[ndarray, " prompt"],
    *,
    confidence: Confidence = 0.95,
    draws: Count = 9999,
    seed: Seed = 0,
) -> tuple[float, float]:
    """The ends of the percentile bootstrap interval of a mean; NaN for fewer than two values.

    Args:
        values: One for each prompt: texts of one prompt are not independent.
        confidence: Share of such intervals that hold the true mean.
        draws: Samples of the bootstrap.
        seed: Of the bootstrap.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=draws,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


@checked
def sigma_above(effect: float, controls: Float[ndarray, " control"]) -> float:
    """How many standard deviations of its controls an effect lies above their mean.

    ::

        σ = (effect − mean(controls)) / sd(controls)

    with the sample standard deviation, divided by ``n − 1``. Mean and deviation are themselves
    estimates: without any effect, and with normally distributed controls, ``σ / √(1 + 1/n)`` has
    Student's t distribution with ``n − 1`` degrees of freedom and not the normal one. So σ over 2
    comes by chance in 2.9 % of studies with 30 controls, in 4.4 % with 10, and in 8.6 % with 4;
    see :func:`chance_of_sigma`.

    Args:
        effect: Of the direction.
        controls: Effects of the controls, measured in the same way.

    Returns:
        NaN where the controls do not differ, so that there is nothing to measure by.

    Raises:
        DataError: For fewer than two controls.
        NonFiniteError: For NaN or infinity.
    """
    values = _controls(effect, controls, at_least=2)
    spread = float(values.std(ddof=1))
    # What rounding makes of equal numbers is no spread.
    if spread <= 1e-12 * float(np.abs(values).max()):
        return float("nan")
    return (effect - float(values.mean())) / spread


@checked
def chance_of_sigma(sigma: float, n_controls: Index) -> float:
    """How often a study without any effect comes out at ``sigma`` or more.

    ``P(t > σ / √(1 + 1/n))`` with ``n − 1`` degrees of freedom; see :func:`sigma_above`.

    Args:
        sigma: Standard deviations above the controls.
        n_controls: How many these were.

    Raises:
        DataError: For fewer than two controls.
    """
    if n_controls < 2:
        raise DataError(f"{n_controls} controls have no standard deviation. Take 2 or more.")
    return float(stats.t.sf(sigma / (1 + 1 / n_controls) ** 0.5, n_controls - 1))


@checked
def rank_p_value(effect: float, controls: Float[ndarray, " control"]) -> float:
    """How often chance alone ranks an effect as high among its controls; one-sided.

    ``p = (1 + number of controls ≥ effect) / (n + 1)``: the permutation test of one among ``n + 1``
    that could be exchanged if there were no effect. Nothing is assumed of their distribution; it
    can be no smaller than ``1 / (n + 1)`` (Phipson and Smyth 2010, https://arxiv.org/abs/1603.05766).

    Args:
        effect: Of the direction.
        controls: Effects of the controls, measured in the same way.

    Raises:
        DataError: For no control.
        NonFiniteError: For NaN or infinity.
    """
    values = _controls(effect, controls, at_least=1)
    return (1 + int((values >= effect).sum())) / (len(values) + 1)


@checked
def holm(p_values: Float[ndarray, " comparison"]) -> Float[ndarray, " comparison"]:
    """Correct p-values for the number of comparisons, by Holm's method.

    In ascending order, ``p'(i) = max over j ≤ i of (m − j + 1) p(j)``, at most 1. Rejecting where
    ``p' ≤ α`` makes any false rejection at all no likelier than ``α``, however the comparisons
    hang together (Holm 1979, https://www.jstor.org/stable/4615733).

    Args:
        p_values: Of all comparisons that were made, the unwelcome ones included.

    Returns:
        Corrected, in the order given.

    Raises:
        DataError: For a number that is no probability; NaN is none.
    """
    values = np.asarray(p_values, dtype=float)
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise DataError(f"Expected p-values between 0 and 1, got {values.tolist()}.")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def _ratio(
    sums: Float[ndarray, "*draw prompt"], sizes: Float[ndarray, "*draw prompt"], axis: int = -1
) -> Float[ndarray, "*draw"] | np.float64:
    """Mean over the texts of the prompts that were drawn."""
    found: ndarray = sums.sum(axis=axis) / sizes.sum(axis=axis)
    return found


def _controls(
    effect: float, controls: Float[ndarray, " control"], *, at_least: int
) -> Float[ndarray, " control"]:
    values = np.asarray(controls, dtype=float)
    if len(values) < at_least:
        raise DataError(f"Got {len(values)} controls. Take {at_least} or more, ideally 30.")
    _require_finite(np.append(values, effect), "an effect")
    return values


def _require_finite(values: Float[ndarray, " n"], what: str) -> None:
    if not bool(np.isfinite(values).all()):
        raise NonFiniteError(f"{what} is NaN or infinite. Look for it in the judge's scores.")
