"""Linear transport against numpy: exact where it should be, and nothing but the sample matters."""

from typing import Any

import numpy as np
import pytest
import torch
from activations_of import (
    AT,
    Z,
    activations_of,
    few_dimensions,
    moments_of,
    two_classes,
    without_classes,
)
from hypothesis import given, settings, strategies as st
from making import direction, shared_model

import tl_steer as ts
from tl_steer.directions._transport import TransportMap, linear_transport
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError

pytestmark = few_dimensions
some = settings(deadline=None, max_examples=40)
sizes, seeds = st.integers(2, 30), st.integers(0, 2**31)


def fitted(source: Any, target: Any, **options: Any) -> TransportMap:
    source, target = (torch.as_tensor(each, dtype=torch.float32) for each in (source, target))
    return linear_transport(activations_of(target, source), **options)[AT]


def transported(found: TransportMap, acts: torch.Tensor) -> torch.Tensor:
    inside = (acts >= found.low) & (acts <= found.high)
    return torch.where(inside, found.slope * acts + found.intercept, acts)


def sample(n: int, m: int, seed: int, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    target, source = two_classes(d, n=m, m=n, seed=seed)
    return source, target


@some
@given(sizes, st.floats(0.01, 100), st.floats(-100, 100), seeds)
def test_a_known_affine_relation_is_recovered(
    n: int, slope: float, shift: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    order = torch.randperm(n, generator=generator)
    found = fitted(source, slope * source[order] + shift)
    spread = float(source.std(0).min())
    tolerance = 1e-5 * (slope + abs(shift)) / spread
    torch.testing.assert_close(found.slope, torch.full((3,), slope), rtol=1e-4, atol=tolerance)
    torch.testing.assert_close(
        transported(found, source.float()), (slope * source + shift).float(),
        rtol=1e-4, atol=1e-4 * (slope + abs(shift)),
    )  # fmt: skip


@some
@given(sizes, sizes, seeds)
def test_it_is_the_least_squares_line_through_the_paired_sorted_values(
    n: int, m: int, seed: int
) -> None:
    """Unequal classes: repeated until they are equally many, which is the same distribution."""
    source, target = sample(n, m, seed)
    found = fitted(source, target)
    for unit in range(5):
        a = np.sort(np.repeat(source[:, unit].double().numpy(), m))
        b = np.sort(np.repeat(target[:, unit].double().numpy(), n))
        slope, intercept = np.polyfit(a, b, 1)
        assert float(found.slope[unit]) == pytest.approx(slope, rel=1e-4, abs=1e-5)
        assert float(found.intercept[unit]) == pytest.approx(intercept, rel=1e-4, abs=1e-3)


@some
@given(sizes, sizes, seeds)
def test_the_mean_arrives_at_the_target_and_the_spread_never_beyond(
    n: int, m: int, seed: int
) -> None:
    source, target = sample(n, m, seed)
    found = fitted(source, target)
    after = transported(found, source)
    torch.testing.assert_close(after.mean(0), target.mean(0), rtol=1e-4, atol=1e-3)
    std, wanted = (each.double().std(0, correction=0) for each in (after, target))
    assert bool((found.slope >= 0).all())
    assert bool((std <= wanted * 1.0001 + 1e-5).all())


def test_of_large_samples_of_one_shape_the_spread_arrives_too() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(3000, 4, generator=generator) * torch.tensor([0.1, 1.0, 3.0, 9.0]) + 5
    target = torch.randn(2000, 4, generator=generator) * torch.tensor([2.0, 1.0, 0.5, 9.0]) - 1
    after = transported(fitted(source, target), source)
    torch.testing.assert_close(after.std(0), target.std(0), rtol=0.01, atol=0)


@some
@given(sizes, sizes, seeds)
def test_the_direction_is_the_mean_difference(n: int, m: int, seed: int) -> None:
    source, target = sample(n, m, seed)
    acts = activations_of(target, source)
    found, plain = linear_transport(acts)[AT].direction, ts.mean_difference(acts)[AT]
    torch.testing.assert_close(found.vector, plain.vector, rtol=1e-4, atol=1e-3)
    assert found.provenance.method == "linear transport"
    assert (found.provenance.n_positive, found.provenance.n_negative) == (m, n)
    assert found.scale == plain.scale


@some
@given(sizes, sizes, seeds, seeds)
def test_neither_order_nor_pairs_matter(n: int, m: int, seed: int, order: int) -> None:
    source, target = sample(n, m, seed)
    shuffle = torch.Generator().manual_seed(order)
    found = fitted(source, target)
    other = fitted(
        source[torch.randperm(n, generator=shuffle)], target[torch.randperm(m, generator=shuffle)]
    )
    for part in ("slope", "intercept", "low", "high"):
        torch.testing.assert_close(getattr(other, part), getattr(found, part))


@some
@given(sizes, sizes, st.floats(0.1, 10), st.floats(-10, 10), seeds)
def test_it_stretches_and_moves_with_each_unit(
    n: int, m: int, stretch: float, shift: float, seed: int
) -> None:
    source, target = sample(n, m, seed)
    found = fitted(source, target)
    other = fitted(stretch * source + shift, stretch * target + shift)
    torch.testing.assert_close(other.slope, found.slope, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        other.slope * (stretch * source + shift) + other.intercept,
        stretch * (found.slope * source + found.intercept) + shift,
        rtol=1e-3, atol=1e-2,
    )  # fmt: skip


def test_units_are_mapped_one_by_one() -> None:
    source, target = sample(20, 30, 0)
    whole, part = fitted(source, target), fitted(source[:, 1:3], target[:, 1:3])
    torch.testing.assert_close(part.slope, whole.slope[1:3])
    torch.testing.assert_close(part.intercept, whole.intercept[1:3])


def test_a_unit_that_does_not_vary_is_shifted() -> None:
    source, target = sample(6, 9, 0)
    source[:, 2] = 0.1
    source[:, 3] = 0.0
    found = fitted(source, target)
    assert found.slope[2:4].tolist() == [1, 1]
    shift = target.mean(0)[2:4] - torch.tensor([0.1, 0.0])
    torch.testing.assert_close(found.intercept[2:4], shift)
    torch.testing.assert_close(transported(found, source)[:, 2], target.mean(0)[2].expand(6))


def test_the_support_is_what_was_seen() -> None:
    source, target = sample(101, 50, 0)
    found = fitted(source, target)
    torch.testing.assert_close(found.low, source.amin(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.high, source.amax(0), rtol=1e-4, atol=1e-4)
    assert bool(((source >= found.low) & (source <= found.high)).all())
    narrow = fitted(source, target, support=(0.05, 0.9))
    ordered = source.sort(0).values
    torch.testing.assert_close(narrow.low, ordered[5], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(narrow.high, ordered[90], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(narrow.slope, found.slope)
    shift = (transported(narrow, source) - source).mean(0)
    torch.testing.assert_close(narrow.direction.vector, shift, rtol=1e-4, atol=1e-4)
    free = fitted(source, target, support=None)
    assert free.low.tolist() == [-torch.inf] * 5
    assert free.high.tolist() == [torch.inf] * 5
    torch.testing.assert_close(free.direction.vector, found.direction.vector)


def test_heads_keep_their_axes() -> None:
    positive, negative = two_classes(2, 3)
    found = linear_transport(activations_of(positive, negative, at=Z))[Z]
    assert found.slope.shape == found.low.shape == found.direction.vector.shape == (2, 3)
    flat = fitted(negative.flatten(1), positive.flatten(1))
    torch.testing.assert_close(found.slope.flatten(), flat.slope)
    assert "linear transport at blocks.1.attn.hook_z, median slope" in repr(found)


@pytest.mark.parametrize("support", [(0.5, 0.5), (0.9, 0.1), (-0.1, 1.0), (0.0, 1.1)])
def test_quantiles_that_are_none_are_refused(support: tuple[float, float]) -> None:
    with pytest.raises(SteerError, match="two quantiles, the lower first"):
        fitted(*sample(5, 5, 0), support=support)


def test_activations_that_nothing_can_be_fitted_to_are_refused() -> None:
    source, target = sample(5, 5, 0)
    with pytest.raises(DataError, match="no classes"):
        linear_transport(without_classes(source))
    with pytest.raises(DataError, match="all 5 examples are positive"):
        linear_transport(activations_of(target, source[:0]))
    with pytest.raises(
        DataError, match=r"linear transport needs .*, got 5 positive and 1 negative"
    ):
        linear_transport(activations_of(target, source[:1]))
    with pytest.raises(DataError, match="Only moments were kept"):
        linear_transport(moments_of(activations_of(target, source)))
    with pytest.raises(DataError, match="the same for every text"):
        fitted(torch.ones(4, 3), torch.ones(4, 3))
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        fitted(source.masked_fill(source == source.max(), torch.inf), target)


def test_parts_that_do_not_belong_together_are_refused() -> None:
    model = shared_model("bridge", "llama")
    given = direction(model, AT)
    one, two = torch.ones(32), torch.full((32,), 2.0)
    found = TransportMap(given, one, one, one, two)
    found.check_fits(model)
    with pytest.raises(MismatchError, match="read from another model"):
        found.check_fits(shared_model("bridge", "gpt2"))
    with pytest.raises(
        MismatchError, match=rf"{AT}: slope has shape \(3,\) and the direction \(32,\)"
    ):
        TransportMap(given, *(torch.ones(3),) * 4)
    with pytest.raises(MismatchError, match="ends before it begins"):
        TransportMap(given, one, one, two, one)
    with pytest.raises(NonFiniteError, match="slope holds NaN or infinity"):
        TransportMap(given, one / 0, one, one, two)
    with pytest.raises(NonFiniteError, match="high holds NaN"):
        TransportMap(given, one, one, one, torch.full((32,), torch.nan))


def test_many_units_are_each_fitted_alone() -> None:
    """More than are sorted at a time."""
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(n, 600, generator=generator) for n in (12, 9))
    whole = fitted(source, target)
    parts = [fitted(source[:, some], target[:, some]) for some in torch.arange(600).chunk(7)]
    for part in ("slope", "intercept", "low", "high"):
        torch.testing.assert_close(
            getattr(whole, part), torch.cat([getattr(each, part) for each in parts])
        )
