"""How near each estimator comes to a planted truth, by the number of texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from tl_steer.activations import Activations, capture, first_of_each
from tl_steer.demo.planted import Planted, planted
from tl_steer.directions import (
    Directions,
    leace,
    logistic_probe,
    mean_centring,
    mean_difference,
    paired_principal_component,
    principal_component,
    whitened_mean_difference,
)
from tl_steer.errors import SteerError

SIZES = (8, 16, 32, 64, 128, 256, 512, 1024)
RANDOM = "random direction"
_DRAWS = 200


@dataclass(frozen=True, eq=False)
class _Read:
    """Activations at the planted layer of as many texts of each kind."""

    unpaired: Activations
    paired: Activations
    neutral: Activations

    def first(self, n: int) -> "_Read":
        """Keep the first ``n`` texts of each class, and of the neutral ones."""
        return _Read(
            first_of_each(self.unpaired, n),
            first_of_each(self.paired, n),
            self.neutral.subset(range(n)),
        )


_Estimator = Callable[[_Read, str], Tensor]


def _plain(estimator: Callable[[Activations], Directions]) -> _Estimator:
    return lambda read, name: estimator(read.unpaired)[name].vector


def _of_pairs(estimator: Callable[[Activations], Directions]) -> _Estimator:
    return lambda read, name: estimator(read.paired)[name].vector


ESTIMATORS: Mapping[str, _Estimator] = {
    "mean difference": _plain(mean_difference),
    "mean difference of pairs": _of_pairs(partial(mean_difference, paired=True)),
    "mean-centring": lambda read, name: mean_centring(read.unpaired, read.neutral)[name].vector,
    "principal component": _plain(principal_component),
    "principal component of pairs": _of_pairs(paired_principal_component),
    "logistic probe": _plain(logistic_probe),
    "whitened mean difference": _plain(whitened_mean_difference),
    "LEACE, what it reads": lambda read, name: leace(read.unpaired)[name].reads,
}
"""By the name in the table."""


def planted_table(
    sizes: Sequence[int] = SIZES, *, seeds: Sequence[int] = (0, 1, 2, 3, 4)
) -> pd.DataFrame:
    """Measure the cosine of each estimator's direction with the planted truth.

    Every seed is another model, another truth and other texts. Estimators of pairs get pairs that
    share everything but the words of their class; the others get texts that share nothing.
    Mean-centring sets the positive texts against as many neutral ones.

    Args:
        sizes: Texts of each class. Smaller sets are part of the larger ones.
        seeds: Of models and texts.

    Returns:
        A row for each ``estimator`` and ``n``, with ``mean`` and ``sd`` of the cosine over seeds;
        NaN where an estimator needs more texts, or a package that is not installed, and for the
        ``sd`` of one seed. The last rows are of random directions, and of the size of their
        cosine, since they have no sign.

    Raises:
        SteerError: For no sizes or seeds, or sizes under 1.
    """
    if not sizes or min(sizes) < 1 or not seeds:
        raise SteerError(f"sizes {list(sizes)}, seeds {list(seeds)}: some of both, from 1 text on.")
    rows = [row for seed in seeds for row in _of_seed(seed, sizes)]
    frame = pd.DataFrame(rows, columns=["estimator", "n", "cosine"])
    # Rows come out in the order in which estimators are listed.
    grouped = frame.groupby(["estimator", "n"], sort=False)["cosine"]
    table: pd.DataFrame = grouped.agg(mean="mean", sd="std").reset_index()
    return table


def _of_seed(seed: int, sizes: Sequence[int]) -> list[tuple[str, int, float]]:
    truth = planted(seed)
    read = _read(truth, max(sizes), seed)
    parts = {n: read.first(n) for n in sizes}
    rows = [
        (name, n, _cosine(estimator, part, truth))
        for name, estimator in ESTIMATORS.items()
        for n, part in parts.items()
    ]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(_DRAWS, len(truth.truth), generator=generator)
    chance = (drawn @ truth.truth / drawn.norm(dim=1)).abs().tolist()
    return [*rows, *((RANDOM, n, cosine) for n in sizes for cosine in chance)]


def _read(truth: Planted, n: int, seed: int) -> _Read:
    # Three sets of texts that have nothing to do with each other.
    sets = (
        truth.texts(n, 3 * seed),
        truth.texts(n, 3 * seed + 1, paired=True),
        truth.neutral(n, 3 * seed + 2),
    )
    return _Read(*(capture(truth.model, each, at=truth.hook_name, progress=False) for each in sets))


def _cosine(estimator: _Estimator, read: _Read, truth: Planted) -> float:
    try:
        found = estimator(read, truth.hook_name)
    except SteerError as error:
        # Too few texts for this estimator, or a package that it needs.
        if "needs" not in str(error):
            raise
        return float("nan")
    return float(found @ truth.truth / found.norm())
