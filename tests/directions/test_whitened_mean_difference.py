import math

import numpy as np
import pytest
import torch
from activations_of import AT, activations_of, cosine, few_dimensions, moments_of, two_classes
from hypothesis import given, settings, strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import tl_steer as ts
from tl_steer.directions._whitened_mean_difference import whitened_mean_difference
from tl_steer.errors import DataError, SteerError

pytestmark = few_dimensions


def lda_weights(positive: torch.Tensor, negative: torch.Tensor, shrinkage: float) -> np.ndarray:
    both = torch.cat([positive, negative]).flatten(1).double().numpy()
    labels = [1] * len(positive) + [0] * len(negative)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(both, labels)
    weights: np.ndarray = lda.coef_[0]
    return weights


@settings(deadline=None, max_examples=30)
@given(
    st.integers(2, 30), st.integers(2, 30), st.sampled_from([(6,), (12,), (2, 4)]),
    st.sampled_from([0.01, 0.3, 0.5, 1.0]), st.booleans(), st.integers(0, 2**31),
)  # fmt: skip
def test_it_is_linear_discriminant_analysis(
    n: int, m: int, shape: tuple[int, ...], shrinkage: float, moments: bool, seed: int
) -> None:
    positive, negative = two_classes(*shape, n=n, m=m, gap=0.3, seed=seed)
    acts = activations_of(positive, negative)
    found = whitened_mean_difference(moments_of(acts) if moments else acts, shrinkage=shrinkage)[AT]
    weights = lda_weights(positive, negative, shrinkage)
    unit = weights / np.linalg.norm(weights)
    difference = (positive.double().mean(0) - negative.double().mean(0)).flatten().numpy()
    expected = unit * (unit @ difference)
    np.testing.assert_allclose(
        found.vector.flatten().numpy(), expected, rtol=1e-3, atol=1e-4 * np.linalg.norm(expected)
    )
    assert found.vector.shape == shape


def test_shrunk_to_the_end_it_is_the_mean_difference() -> None:
    acts = activations_of(*two_classes(8))
    found = whitened_mean_difference(acts, shrinkage=1.0)[AT]
    torch.testing.assert_close(found.vector, ts.mean_difference(acts)[AT].vector)


def test_it_finds_the_property_where_texts_differ_more_in_something_else() -> None:
    """The property is in dimension 0; dimension 1 differs far more, also between classes."""
    noise = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    noise = noise * torch.tensor([0.2, 60.0, 1.0, 1.0])
    noise[:30, 0] += 1
    acts = activations_of(noise[:30], noise[30:])
    truth = [1.0, 0.0, 0.0, 0.0]
    assert abs(cosine(ts.mean_difference(acts)[AT].vector, truth)) < 0.7
    assert cosine(whitened_mean_difference(acts, shrinkage=1e-4)[AT].vector, truth) > 0.95


@pytest.mark.parametrize("shrinkage", [0.0, -0.1, 1.01, math.nan, math.inf])
def test_a_shrinkage_outside_its_range_is_refused(shrinkage: float) -> None:
    with pytest.raises(
        SteerError, match=r"shrinkage=\S+: expected a number over 0 \(whitened\) up to 1"
    ):
        whitened_mean_difference(activations_of(*two_classes(8)), shrinkage=shrinkage)


def test_classes_that_do_not_vary_within_themselves_have_nothing_to_whiten() -> None:
    acts = activations_of(torch.ones(3, 4), torch.zeros(3, 4))
    with pytest.raises(DataError, match=rf"{AT}: .* same for every text of a class"):
        whitened_mean_difference(acts)


def test_the_shrinkage_is_written_down() -> None:
    found = whitened_mean_difference(activations_of(*two_classes(8)), shrinkage=0.25)[AT]
    assert found.provenance.method == "whitened mean difference (shrinkage 0.25)"
