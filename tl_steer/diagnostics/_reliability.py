"""Whether other texts of the same kind would give the same direction."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from tl_steer.activations import Activations
from tl_steer.diagnostics._separation import interval, require_resampling
from tl_steer.directions import Directions, DominatedDirectionWarning
from tl_steer.errors import DataError

Estimator = Callable[[Activations], Directions]
"""Such as ``mean_difference``, or ``partial(whitened_mean_difference, shrinkage=0.1)``."""

_HALF = 2


def reliability(
    activations: Activations,
    estimator: Estimator,
    *,
    splits: int = 50,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Split-half reliability: how alike the directions of two random halves of the texts are.

    Texts are halved at random within each class (pairs stay together), each half gives a
    direction, and ``r`` is the cosine of the two. Half as many texts make a noisier direction than
    all of them; with independent errors the Spearman–Brown formula ``2r / (1 + r)`` gives the
    cosine that two directions from *all* texts would have. It is also the share of the direction's
    squared length that is not sampling error. A negative ``r`` is left as it is.

    Args:
        activations: What the directions were computed from, with vectors.
        estimator: How they were computed.
        splits: How many random halvings.
        level: Of the interval, percentiles over the splits.
        seed: Of the halvings.

    Returns:
        A row for each hook point: ``hook_name``, ``half_cosine`` (the mean ``r``),
        ``reliability`` (Spearman–Brown of it), ``reliability_low``, ``reliability_high``.

    Raises:
        SteerError: For fewer than two splits, or a level outside 0 to 1.
        DataError: For moments, texts without classes, or fewer than four texts of a class.
    """
    require_resampling(splits, level)
    random = np.random.default_rng(seed)
    cosines: dict[str, list[float]] = {}
    for _ in range(splits):
        one, other = (_quietly(estimator, half) for half in _halves(activations, random))
        for name, direction in one.items():
            cosines.setdefault(name, []).append(direction.cosine(other[name]))
    return pd.DataFrame(_row(name, np.array(found), level) for name, found in cosines.items())


def spearman_brown(r: Float[ndarray, "*split"]) -> Float[ndarray, "*split"]:
    """``2r / (1 + r)``, and ``r`` itself where it is negative."""
    return np.where(r > 0, 2 * r / (1 + np.abs(r)), r)


def _row(name: str, cosines: Float[ndarray, " split"], level: float) -> dict[str, object]:
    low, high = interval(spearman_brown(cosines), level)
    return {
        "hook_name": name,
        "half_cosine": float(cosines.mean()),
        "reliability": float(spearman_brown(np.array(cosines.mean()))),
        "reliability_low": low,
        "reliability_high": high,
    }


def _halves(
    activations: Activations, random: np.random.Generator
) -> tuple[Activations, Activations]:
    activations.positive(activations.hook_names[0])  # refuses moments, and texts without classes
    is_positive = np.asarray(activations.is_positive)
    sides = [np.flatnonzero(is_positive), np.flatnonzero(~is_positive)]
    if min(map(len, sides)) < 2 * _HALF:
        raise DataError(
            f"Got {len(sides[0])} positive and {len(sides[1])} negative texts. Two halves need at "
            f"least {2 * _HALF} of each, and some dozens to say much."
        )
    orders = [random.permutation(len(side)) for side in sides]
    if activations.paired:
        orders[1] = orders[0]
    # An odd text goes to the second half.
    dealt = [(side[order], len(side) // 2) for side, order in zip(sides, orders, strict=True)]
    first = np.concatenate([texts[:half] for texts, half in dealt])
    second = np.concatenate([texts[half:] for texts, half in dealt])
    return activations.subset(first.tolist()), activations.subset(second.tolist())


def _quietly(estimator: Estimator, half: Activations) -> Directions:
    with warnings.catch_warnings():
        # Said once already, of the direction that all texts gave.
        warnings.simplefilter("ignore", DominatedDirectionWarning)
        return estimator(half)
