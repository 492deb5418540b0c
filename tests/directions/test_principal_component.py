import numpy as np
import pytest
import torch
from activations_of import AT, activations_of, cosine, few_dimensions, two_classes
from hypothesis import given, settings, strategies as st

from tl_steer.directions._principal_component import (
    paired_principal_component,
    principal_component,
)
from tl_steer.errors import DataError

pytestmark = few_dimensions

fast = settings(deadline=None, max_examples=25)


def first_eigenvector(matrix: np.ndarray) -> np.ndarray:
    _, vectors = np.linalg.eigh(matrix)
    return vectors[:, -1]


def along(weights: np.ndarray, difference: np.ndarray) -> np.ndarray:
    return weights * (weights @ difference)


@fast
@given(st.integers(2, 25), st.integers(2, 25), st.integers(0, 2**31))
def test_pooled_it_is_the_first_eigenvector_of_the_covariance(n: int, m: int, seed: int) -> None:
    positive, negative = two_classes(6, n=n, m=m, gap=3.0, seed=seed)
    found = principal_component(activations_of(positive, negative))[AT]
    both = torch.cat([positive, negative]).double().numpy()
    difference = positive.double().mean(0) - negative.double().mean(0)
    expected = along(first_eigenvector(np.cov(both, rowvar=False)), difference.numpy())
    np.testing.assert_allclose(found.vector.numpy(), expected, rtol=1e-3, atol=1e-3)


@fast
@given(st.integers(2, 25), st.booleans(), st.integers(0, 2**31))
def test_of_pairs_it_is_the_first_eigenvector_of_the_second_moments(
    n: int, unit: bool, seed: int
) -> None:
    positive, negative = two_classes(6, n=n, m=n, gap=2.0, seed=seed)
    acts = activations_of(positive, negative, paired=True)
    found = paired_principal_component(acts, unit_differences=unit)[AT]
    differences = (positive.double() - negative.double()).numpy()
    lengths = np.linalg.norm(differences, axis=1, keepdims=True)
    rows = differences / lengths if unit else differences
    expected = along(first_eigenvector(rows.T @ rows), differences.mean(0))
    np.testing.assert_allclose(found.vector.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_differences_that_all_point_one_way_are_found() -> None:
    """Centred differences would have lost what they share, and kept the noise beside it."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(8, generator=generator)
    negative = torch.randn(30, 8, generator=generator)
    positive = negative + truth + 0.3 * torch.randn(30, 8, generator=generator)
    (found,) = paired_principal_component(activations_of(positive, negative, paired=True)).values()
    assert cosine(found.vector, truth) > 0.99


def test_unit_differences_let_no_pair_outweigh_the_others() -> None:
    negative = torch.zeros(9, 4)
    positive = torch.tensor([[1.0, 1.0, 0.0, 0.0]]).repeat(9, 1)
    positive[4] = torch.tensor([0.0, 1.0, 100.0, 100.0])
    acts = activations_of(positive, negative, paired=True)
    plain = paired_principal_component(acts)[AT]
    unit = paired_principal_component(acts, unit_differences=True)[AT]
    assert cosine(plain.vector, positive[4]) > 0.999
    assert cosine(unit.vector, positive[0]) > 0.999


def test_a_pair_without_a_difference_counts_for_nothing() -> None:
    positive, negative = two_classes(6, n=5, m=5)
    acts = activations_of(positive, negative, paired=True)
    more = activations_of(
        torch.cat([positive, negative[:1]]), torch.cat([negative, negative[:1]]), paired=True
    )
    one, other = (
        paired_principal_component(each, unit_differences=True)[AT] for each in (acts, more)
    )
    assert one.cosine(other) == pytest.approx(1, abs=1e-6)


def test_pairs_are_asked_for() -> None:
    with pytest.raises(DataError, match="not paired"):
        paired_principal_component(activations_of(*two_classes(6)))


def test_what_was_done_is_written_down() -> None:
    acts = activations_of(*two_classes(6), paired=True)
    found = [
        estimated[AT].provenance.method
        for estimated in (
            principal_component(acts),
            paired_principal_component(acts),
            paired_principal_component(acts, unit_differences=True),
        )
    ]
    assert found == [
        "principal component",
        "principal component (pairs)",
        "principal component (pairs, unit differences)",
    ]
