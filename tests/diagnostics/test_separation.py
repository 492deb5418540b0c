"""AUROC and d′, against counting every couple of texts."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from activations_of import AT, INFO, activations_of, moments_of, two_classes, without_classes
from hypothesis import given, settings, strategies as st

import tl_steer as ts
from tl_steer.diagnostics._separation import auroc, d_prime, separation
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError

classes = st.lists(st.integers(-3, 3), min_size=1, max_size=9)


def direction(vector: torch.Tensor, at: str = AT) -> ts.Directions:
    return ts.Directions({at: ts.Direction(vector, at, 1.0, Provenance(INFO, "made up"))})


def one(found: object, name: str) -> float:
    return float(found[name].iloc[0])  # type: ignore[index]


def arrays(positive: list[int], negative: list[int]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([*positive, *negative], dtype=float)
    return values, np.arange(len(values)) < len(positive)


@given(classes, classes)
@settings(deadline=None, derandomize=True)
def test_auroc_is_the_share_of_couples_in_order(positive: list[int], negative: list[int]) -> None:
    values, sides = arrays(positive, negative)
    counted = [(p > n) + (p == n) / 2 for p, n in product(positive, negative)]
    found = auroc(values, sides, np.ones((1, len(values))))
    assert found[0] == pytest.approx(np.mean(counted))


@given(classes, classes, st.integers(0, 99))
@settings(deadline=None, derandomize=True)
def test_a_weight_is_so_many_copies(positive: list[int], negative: list[int], seed: int) -> None:
    values, sides = arrays(positive, negative)
    copies = np.random.default_rng(seed).integers(1, 4, (1, len(values)))
    repeated, both = np.repeat(values, copies[0]), np.repeat(sides, copies[0])
    once = np.ones((1, len(repeated)))
    for measure in (auroc, d_prime):
        expected = measure(repeated, both, once)
        np.testing.assert_allclose(measure(values, sides, copies.astype(float)), expected)


def test_d_prime_is_the_gap_in_standard_deviations() -> None:
    positive, negative = two_classes(4, n=30, m=20)
    vector = torch.randn(4, generator=torch.Generator().manual_seed(3))
    found = separation(direction(vector), activations_of(positive, negative))
    p, n = ((side @ vector / vector.norm()).double().numpy() for side in (positive, negative))
    expected = (p.mean() - n.mean()) / np.sqrt((p.var(ddof=1) + n.var(ddof=1)) / 2)
    assert one(found, "d_prime") == pytest.approx(expected, rel=1e-5)


def test_the_frame_says_where_and_how_sure() -> None:
    positive, negative = two_classes(24, n=40, m=40, gap=0.3)
    held_out = activations_of(positive, negative)
    found = separation(ts.mean_difference(held_out), held_out)
    assert found[["hook_name", "site", "layer"]].iloc[0].tolist() == [AT, "hook_resid_post", 1]
    for name in ("auroc", "d_prime"):
        assert one(found, f"{name}_low") < one(found, name) < one(found, f"{name}_high")
    again = separation(ts.mean_difference(held_out), held_out)
    assert found.equals(again)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Two normal classes 1 apart have an AUROC of Φ(1 / √2) = .760."""
    inside = 0
    for seed in range(60):
        g = torch.Generator().manual_seed(seed)
        positive, negative = torch.randn(40, 2, generator=g), torch.randn(40, 2, generator=g)
        positive[:, 0] += 1
        held_out = activations_of(positive, negative)
        found = separation(direction(torch.tensor([1.0, 0])), held_out, resamples=200)
        inside += one(found, "auroc_low") <= 0.760 <= one(found, "auroc_high")
    assert inside >= 51


def test_tokens_of_one_text_are_drawn_together() -> None:
    """As many tokens, but from few texts, leave more doubt."""
    positive, negative = two_classes(4, n=40, m=40, gap=0.3)
    apart = activations_of(positive, negative)
    texts = torch.arange(80) // 10
    together = activations_of(
        positive.view(4, 10, 4)[:, :1].expand(4, 10, 4).reshape(40, 4),
        negative.view(4, 10, 4)[:, :1].expand(4, 10, 4).reshape(40, 4),
        text_index={AT: texts},
        is_positive=torch.arange(8) < 4,
    )
    width = {}
    for name, acts in (("apart", apart), ("together", together)):
        found = separation(direction(torch.ones(4)), acts)
        width[name] = one(found, "auroc_high") - one(found, "auroc_low")
    assert width["together"] > 1.8 * width["apart"]


def test_pairs_are_drawn_as_pairs() -> None:
    """Texts vary a great deal, those of a pair hardly: only pairs show how sure the gap is."""
    g = torch.Generator().manual_seed(0)
    topic = 10 * torch.randn(40, 1, generator=g)
    positive = topic + 1 + 0.1 * torch.randn(40, 1, generator=g)
    width = {}
    for paired in (True, False):
        held_out = activations_of(positive, topic, paired=paired)
        found = separation(direction(torch.ones(1)), held_out)
        width[paired] = one(found, "d_prime_high") - one(found, "d_prime_low")
    assert width[True] < 0.3 * width[False]


def test_what_does_not_fit_is_refused() -> None:
    positive, negative = two_classes(4, n=6, m=6)
    good, held_out = direction(torch.ones(4)), activations_of(positive, negative)
    with pytest.raises(DataError, match="1 positive and 6 negative"):
        separation(good, activations_of(positive[:1], negative))
    with pytest.raises(DataError, match="0 positive"):
        separation(good, activations_of(positive[:0], negative))
    with pytest.raises(DataError, match="no classes"):
        separation(good, without_classes(positive))
    with pytest.raises(DataError, match="Only moments"):
        separation(good, moments_of(held_out))
    with pytest.raises(HookNameError, match="was not captured"):
        separation(direction(torch.ones(4), "blocks.2.hook_resid_post"), held_out)
    with pytest.raises(MismatchError, match="width"):
        separation(direction(torch.ones(5)), held_out)
    other = activations_of(positive, negative, model=replace(INFO, name="n"))
    with pytest.raises(MismatchError, match="'m', not 'n'"):
        separation(good, other)
    with pytest.raises(NonFiniteError, match="NaN"):
        separation(good, activations_of(positive * float("nan"), negative))
    with pytest.raises(SteerError, match="resamples=1"):
        separation(good, held_out, resamples=1)
    with pytest.raises(SteerError, match="level=95"):
        separation(good, held_out, level=95)
