import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from tl_steer.activations._moments import Moments, merged

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def pieces(sizes: list[int], d: int, offset: float, spread: float, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    centre = offset * random.standard_normal(d)
    return [centre + spread * random.standard_normal((n, d)) for n in sizes]


def streamed(arrays: list[np.ndarray]) -> Moments:
    found: Moments | None = None
    for array in arrays:
        found = merged(found, torch.from_numpy(array))
    assert found is not None
    return found


@settings(deadline=None)
@given(
    SIZES,
    st.integers(1, 5),
    st.sampled_from([(0.0, 1.0), (1e3, 1.0), (1e6, 1e-2), (1e-6, 1e-9)]),
    st.integers(0, 2**32 - 1),
)
def test_pieces_give_the_moments_of_the_whole(
    sizes: list[int], d: int, size: tuple[float, float], seed: int
) -> None:
    """Sums of squares would lose every digit at a mean of 1e6 and a spread of 1e-2."""
    offset, spread = size
    arrays = pieces(sizes, d, offset, spread, seed)
    whole = np.concatenate(arrays)
    found = streamed(arrays)
    assert found.count == len(whole)
    np.testing.assert_allclose(found.mean.numpy(), whole.mean(0), rtol=1e-12, atol=1e-12 * spread)
    if len(whole) > 1:
        expected = np.cov(whole, rowvar=False).reshape(d, d)
        np.testing.assert_allclose(
            found.covariance.numpy(), expected, rtol=1e-6, atol=1e-5 * spread**2
        )


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_the_order_of_pieces_does_not_matter(sizes: list[int], seed: int, random: object) -> None:
    arrays = pieces(sizes, 3, 100.0, 1.0, seed)
    shuffled = list(arrays)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = streamed(arrays), streamed(shuffled)
    torch.testing.assert_close(one.mean, other.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(one.scatter, other.scatter, rtol=1e-9, atol=1e-9)


def test_half_precision_is_summed_in_float64() -> None:
    # In bfloat16, 256 + 1 is 256: a running sum would stop growing.
    vectors = torch.ones(4096, 2, dtype=torch.bfloat16)
    found = Moments.of(vectors)
    assert found.mean.dtype == found.scatter.dtype == torch.float64
    assert found.mean.tolist() == [1.0, 1.0]
    assert found.scatter.abs().max() == 0


def test_heads_are_flattened_in_order() -> None:
    vectors = torch.randn(5, 2, 3)
    found = Moments.of(vectors)
    torch.testing.assert_close(found.mean.view(2, 3), vectors.double().mean(0))
    assert found.scatter.shape == (6, 6)


def test_one_vector_has_no_covariance() -> None:
    found = Moments.of(torch.randn(1, 3))
    assert found.count == 1
    assert bool(found.covariance.isnan().all())


def test_nothing_added_changes_nothing() -> None:
    assert merged(None, torch.empty(0, 3)) is None
    before = Moments.of(torch.randn(2, 3))
    assert merged(before, torch.empty(0, 3)) is before


def test_merging_leaves_the_pieces_as_they_were() -> None:
    one, other = Moments.of(torch.randn(4, 2)), Moments.of(torch.randn(3, 2))
    before = (one.mean.clone(), one.scatter.clone())
    one.merge(other)
    torch.testing.assert_close((one.mean, one.scatter), before, rtol=0, atol=0)
    with pytest.raises(AttributeError):
        one.count = 0  # type: ignore[misc]
