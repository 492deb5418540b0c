"""Split-half reliability, against what another sample of texts really gives."""

from functools import partial

import numpy as np
import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes

import tl_steer as ts
from tl_steer.diagnostics._reliability import reliability, spearman_brown
from tl_steer.directions import whitened_mean_difference
from tl_steer.errors import DataError, SteerError


def drawn(gap: float, seed: int, *, n: int = 40) -> ts.Activations:
    """A sample of one and the same two clouds."""
    positive, negative = two_classes(48, n=600, m=600, gap=gap)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(seed))[:n]
    return activations_of(positive[order], negative[order])


@pytest.mark.parametrize("gap", [0.0, 0.2, 0.5])
def test_it_foretells_the_cosine_of_two_samples(gap: float) -> None:
    several = [ts.mean_difference(drawn(gap, seed))[AT] for seed in range(20)]
    truth = np.mean([a.cosine(b) for i, a in enumerate(several) for b in several[:i]])
    foretold = [
        reliability(drawn(gap, seed), ts.mean_difference, splits=10)["reliability"].iloc[0]
        for seed in range(10)
    ]
    assert np.mean(foretold) == pytest.approx(truth, abs=0.12)


def test_more_texts_are_more_reliable_and_shuffled_labels_are_not() -> None:
    few, many = (reliability(drawn(0.3, 0, n=n), ts.mean_difference).iloc[0] for n in (12, 200))
    assert many["reliability"] > few["reliability"] + 0.2
    assert many["reliability_low"] <= many["reliability"] <= many["reliability_high"]
    assert many["half_cosine"] < many["reliability"]
    vectors = drawn(0.3, 0, n=200)[AT]
    mixed = vectors[torch.randperm(400, generator=torch.Generator().manual_seed(1))]
    shuffled = reliability(activations_of(mixed[:200], mixed[200:]), ts.mean_difference).iloc[0]
    assert shuffled["reliability"] < 0.25


def test_any_estimator_fits_and_the_seed_decides() -> None:
    acts = drawn(0.5, 0)
    estimator = partial(whitened_mean_difference, shrinkage=0.3)
    one, same, other = (reliability(acts, estimator, splits=5, seed=s) for s in (0, 0, 1))
    assert one.equals(same)
    assert not one.equals(other)


def test_pairs_stay_together() -> None:
    """Texts of a pair share a topic; halves that broke pairs could not be paired."""
    g = torch.Generator().manual_seed(0)
    topics, apart = 9 * torch.randn(20, 8, generator=g), torch.randn(8, generator=g)
    acts = activations_of(topics + apart, topics, paired=True)
    found = reliability(acts, partial(ts.mean_difference, paired=True), splits=5).iloc[0]
    assert found["reliability_low"] == pytest.approx(1, abs=1e-4)


def test_spearman_brown() -> None:
    found = spearman_brown(np.array([1.0, 0.5, 0.0, -0.9]))
    np.testing.assert_allclose(found, [1.0, 2 / 3, 0.0, -0.9])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="3 positive and 3 negative"):
        reliability(drawn(1.0, 0, n=3), ts.mean_difference)
    with pytest.raises(DataError, match="Only moments"):
        reliability(moments_of(drawn(1.0, 0)), ts.mean_difference)
    with pytest.raises(SteerError, match="=1: an interval"):
        reliability(drawn(1.0, 0), ts.mean_difference, splits=1)
