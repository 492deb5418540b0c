"""How well each direction tells texts apart that it was not computed from."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from tl_steer.activations import Activations
from tl_steer.arguments import Seed, checked
from tl_steer.diagnostics._projected import Projected, projected
from tl_steer.directions import Directions
from tl_steer.errors import SteerError
from tl_steer.lens.hook_names import layer_of, site_of

Weights = Float[ndarray, "time example"]
"""How often each example counts; one row for every resampling."""


@checked
def separation(
    directions: Directions,
    held_out: Activations,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: Seed = 0,
) -> pd.DataFrame:
    """AUROC and d′ of the projections ``h·v̂`` on held-out texts, by hook point.

    The area under the ROC curve is the probability that a random positive text projects further
    than a random negative one, ties counting half: one half is chance, one is perfect, and under
    one half the direction points the wrong way. ``d′ = (μ₊ − μ₋) / √((σ₊² + σ₋²) / 2)`` is the gap
    between the classes in their own standard deviations, and has no ceiling.

    Intervals are percentiles of a bootstrap over texts, class by class; pairs are drawn as pairs,
    and the tokens of a text together.

    Args:
        directions: At hook points that `held_out` has.
        held_out: Activations of texts that the directions have not seen.
        resamples: How often texts are drawn anew for the intervals.
        level: Of the intervals.
        seed: Of the resampling.

    Returns:
        A row for each direction: ``hook_name``, ``site``, ``layer``, and ``auroc`` and ``d_prime``,
        each with ``_low`` and ``_high``.

    Raises:
        SteerError: For fewer than two resamplings, or a level outside 0 to 1.
        HookNameError: When a hook point was not captured.
        MismatchError: For activations of another model.
        DataError: For fewer than two texts of a class, or texts without classes.
    """
    require_resampling(resamples, level)
    return pd.DataFrame(
        {
            "hook_name": name,
            "site": site_of(name),
            "layer": layer_of(name),
            **measures(projected(direction, held_out), resamples, level, seed),
        }
        for name, direction in directions.items()
    )


def measures(found: Projected, resamples: int, level: float, seed: int) -> dict[str, float]:
    """AUROC and d′ of one set of projections, with intervals; see :func:`separation`."""
    once = np.ones((1, len(found.values)))
    drawn = found.resampled(resamples, np.random.default_rng(seed))
    result = {}
    for name, measure in (("auroc", auroc), ("d_prime", d_prime)):
        low, high = interval(measure(found.values, found.is_positive, drawn), level)
        result[name] = float(measure(found.values, found.is_positive, once)[0])
        result |= {f"{name}_low": low, f"{name}_high": high}
    return result


def interval(values: Float[ndarray, " time"], level: float) -> tuple[float, float]:
    """The middle part of a distribution, e.g. from the 2.5th to the 97.5th percentile."""
    tail = (1 - level) / 2
    # Classes that a resampling left without spread have no d′; they are no evidence either way.
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def auroc(
    values: Float[ndarray, " example"], is_positive: Bool[ndarray, " example"], weights: Weights
) -> Float[ndarray, " time"]:
    """The share of (positive, negative) couples in the right order, ties counting half."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    positive, negative = (
        np.add.reduceat(np.where(side, weights, 0)[:, order], starts, axis=1)
        for side in (is_positive, ~is_positive)
    )
    below = negative.cumsum(axis=1) - negative / 2
    couples = positive.sum(axis=1) * negative.sum(axis=1)
    found: Float[ndarray, " time"] = (positive * below).sum(axis=1) / couples
    return found


def d_prime(
    values: Float[ndarray, " example"], is_positive: Bool[ndarray, " example"], weights: Weights
) -> Float[ndarray, " time"]:
    """``(μ₊ − μ₋) / √((σ₊² + σ₋²) / 2)``, with unbiased variances; NaN where both are zero."""
    moments = []
    for side in (is_positive, ~is_positive):
        own, drawn = values[side], weights[:, side]
        count = drawn.sum(axis=1)
        mean = drawn @ own / count
        # The spread of each row about its own mean: the mean may be large beside it.
        spread = (drawn * (own - mean[:, None]) ** 2).sum(axis=1)
        moments.append((mean, spread / np.maximum(count - 1, 1)))
    (positive, above), (negative, under) = moments
    gap, size = positive - negative, np.sqrt((above + under) / 2)
    none = np.full_like(gap, np.nan)
    found: Float[ndarray, " time"] = np.divide(gap, size, out=none, where=size > 0)
    return found


def require_resampling(resamples: int, level: float) -> None:
    """Refuse settings that give no interval."""
    if resamples < 2:
        raise SteerError(f"resamples={resamples}: an interval needs at least two, ideally 1000.")
    if not 0 < level < 1:
        raise SteerError(f"level={level}: expected a share between 0 and 1, such as 0.95.")
