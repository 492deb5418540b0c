"""What holds for every estimator that needs no gradients."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import (
    AT,
    activations_of,
    few_dimensions,
    moments_of,
    two_classes,
    without_classes,
)
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.directions._logistic_probe import logistic_probe
from tl_steer.directions._principal_component import (
    paired_principal_component,
    principal_component,
)
from tl_steer.directions._whitened_mean_difference import whitened_mean_difference
from tl_steer.errors import DataError, NonFiniteError

pytestmark = few_dimensions

Estimator = Callable[[ts.Activations], ts.Directions]

ESTIMATORS: dict[str, Estimator] = {
    "mean difference": ts.mean_difference,
    "paired": partial(ts.mean_difference, paired=True),
    "whitened": whitened_mean_difference,
    "whitened, 0.1": partial(whitened_mean_difference, shrinkage=0.1),
    "component": principal_component,
    "component of pairs": paired_principal_component,
    "component of unit pairs": partial(paired_principal_component, unit_differences=True),
    "logistic": logistic_probe,
    "logistic, standardised": partial(logistic_probe, standardised=True),
}
FROM_MOMENTS = ("mean difference", "paired", "whitened", "whitened, 0.1", "component")
SCALED = [name for name in ESTIMATORS if name not in ("mean difference", "paired")]
"""Those that find a direction first, and its size afterwards."""
NOT_ROTATED = ("logistic, standardised",)
every = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=list(ESTIMATORS))

WORDS = ("film", "movie", "plot", "acting", "music", "story", "ending", "actor", "scene")
GOOD, BAD = ("great", "good", "bright", "loved"), ("awful", "bad", "dull", "hated")


def pairs(n: int = 24) -> list[tuple[str, str]]:
    """Pairs of texts of unequal lengths that differ in two words."""
    random, found = np.random.default_rng(0), []
    for _ in range(n):
        words = list(random.choice(WORDS, random.integers(4, 12)))
        place, number = random.integers(1, len(words)), random.integers(0, 4)
        good, bad = (
            " ".join([*words[:place], side[number], side[number - 1], *words[place:]])
            for side in (GOOD, BAD)
        )
        found.append((good, bad))
    return found


@cache
def model(kind: str) -> Any:
    return small_model(kind)


@cache
def captured(*, kind: str = "bridge", order: int | None = None, **options: Any) -> ts.Activations:
    texts = pairs()
    if order is not None:
        texts = [texts[i] for i in np.random.default_rng(order).permutation(len(texts))]
    names = [AT, "blocks.2.attn.hook_z"]
    return ts.capture(model(kind), ts.ContrastSet.pairs(texts), at=names, progress=False, **options)


def paired(positive: torch.Tensor, negative: torch.Tensor) -> ts.Activations:
    return activations_of(positive, negative, paired=True)


def assert_same(one: ts.Directions, other: ts.Directions, *, tolerance: float = 1e-4) -> None:
    assert list(one) == list(other)
    for name, direction in one.items():
        gap = (direction.vector - other[name].vector).norm()
        assert float(gap) < tolerance * direction.norm, name


@every
@pytest.mark.parametrize("kind", KINDS)
def test_directions_have_their_place_and_shape(estimator: Estimator, kind: str) -> None:
    acts = captured(kind=kind)
    found = estimator(acts)
    assert [tuple(each.vector.shape) for each in found.values()] == [(32,), (4, 8)]
    for name, each in found.items():
        each.check_fits(model(kind))
        assert each.hook_name == name
        assert each.scale == acts.norms[name]
        assert (each.provenance.n_positive, each.provenance.n_negative) == (24, 24)
    assert len({each.provenance.method for each in found.values()}) == 1


@every
def test_the_order_of_the_texts_does_not_matter(estimator: Estimator) -> None:
    assert_same(estimator(captured()), estimator(captured(order=1)))


@every
def test_the_batch_size_does_not_matter(estimator: Estimator) -> None:
    one, other = (estimator(captured(max_tokens=limit)) for limit in (1, 100_000))
    assert_same(one, other)


@every
def test_it_points_from_negative_to_positive_and_closes_the_gap(estimator: Estimator) -> None:
    positive, negative = two_classes(8)
    (found,) = estimator(paired(positive, negative)).values()
    gap = found.unit.vector @ (positive.mean(0) - negative.mean(0))
    assert float(gap) > 0
    assert found.norm == pytest.approx(float(gap), rel=1e-4)
    (turned,) = estimator(paired(negative, positive)).values()
    torch.testing.assert_close(turned.vector, -found.vector, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in NOT_ROTATED])
def test_it_turns_with_the_activations(name: str) -> None:
    positive, negative = two_classes(8)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3))).Q
    (found,) = ESTIMATORS[name](paired(positive, negative)).values()
    (turned,) = ESTIMATORS[name](paired(positive @ turn, negative @ turn)).values()
    torch.testing.assert_close(turned.vector, found.vector @ turn, rtol=1e-3, atol=1e-3)


@every
def test_it_grows_and_moves_with_the_activations(estimator: Estimator) -> None:
    positive, negative = two_classes(8)
    (found,) = estimator(paired(positive, negative)).values()
    shift = torch.linspace(-3, 3, 8)
    (grown,) = estimator(paired(100 * positive + shift, 100 * negative + shift)).values()
    torch.testing.assert_close(grown.vector, 100 * found.vector, rtol=1e-3, atol=1e-2)


@every
def test_more_dimensions_than_texts_are_no_hindrance(estimator: Estimator) -> None:
    positive, negative = two_classes(30, n=5, m=5)
    (found,) = estimator(paired(positive, negative)).values()
    assert found.norm > 0


@pytest.mark.parametrize("name", ESTIMATORS)
def test_moments_give_the_same_or_are_refused(name: str) -> None:
    acts = captured()
    kept = captured(moments_only=True)
    if name in FROM_MOMENTS:
        assert_same(ESTIMATORS[name](acts), ESTIMATORS[name](kept))
        return
    with pytest.raises(
        DataError, match=r"Only moments were kept\. For the vectors, capture without moments_only"
    ):
        ESTIMATORS[name](kept)


@every
def test_texts_without_classes_are_refused(estimator: Estimator) -> None:
    with pytest.raises(DataError, match=r"no classes\. Capture a ContrastSet"):
        estimator(without_classes(torch.randn(6, 8)))


@every
@pytest.mark.parametrize("positive", [True, False])
def test_one_class_is_refused(estimator: Estimator, positive: bool) -> None:
    some, none = torch.randn(6, 8), torch.empty(0, 8)
    acts = paired(some, none) if positive else paired(none, some)
    kind = "positive" if positive else "negative"
    with pytest.raises(DataError, match=rf"{AT}: all 6 examples are {kind}, and .* two classes"):
        estimator(acts)


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("moments", [False, True])
def test_too_few_examples_are_refused(name: str, moments: bool) -> None:
    acts = activations_of(torch.randn(1, 8), torch.randn(5, 8))
    with pytest.raises(
        DataError, match=rf"{AT}: .* needs 2 examples of each class, got 1 positive and 5 negative"
    ):
        ESTIMATORS[name](moments_of(acts) if moments else acts)


@every
@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("moments", [False, True])
def test_constant_activations_are_refused(
    estimator: Estimator, value: float, moments: bool
) -> None:
    acts = paired(torch.full((6, 8), value), torch.full((6, 8), value))
    with pytest.raises(DataError, match=rf"{AT}: the activations are the same for every text"):
        estimator(moments_of(acts) if moments else acts)


@every
def test_rounding_is_no_variation(estimator: Estimator) -> None:
    acts = paired(*(7 + 1e-6 * torch.randn(6, 8) for _ in range(2)))
    with pytest.raises(DataError, match="the same for every text"):
        estimator(acts)


@every
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("moments", [False, True])
def test_numbers_that_are_not_finite_are_refused(
    estimator: Estimator, value: float, moments: bool
) -> None:
    positive, negative = two_classes(8)
    positive[3, 5] = value
    acts = paired(positive, negative)
    with pytest.raises(NonFiniteError, match=rf"{AT}: the activations hold NaN or infinity"):
        estimator(moments_of(acts) if moments else acts)


@pytest.mark.parametrize("name", SCALED)
def test_classes_of_equal_means_are_refused(name: str) -> None:
    # Each pair turns up both ways round, so that no direction tells the classes apart.
    both = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(DataError, match=rf"{AT}: .*(have the same mean along|weights are zero)"):
        ESTIMATORS[name](paired(both, both.flip(0)))
