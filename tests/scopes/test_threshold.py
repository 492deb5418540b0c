"""Thresholds for a rate of false fires."""

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, INFO, Z, activations_of, moments_of, two_classes, without_classes
from hypothesis import given, settings, strategies as st

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.scopes._conditions import CosineAbove, ProjectionAbove
from tl_steer.scopes._threshold import fit_threshold

KINDS: list[Any] = [ProjectionAbove, CosineAbove]
scores = st.lists(st.integers(-3, 3), min_size=1, max_size=9)


def direction(vector: torch.Tensor, at: str = AT) -> ts.Direction:
    return ts.Direction(vector, at, 1.0, Provenance(INFO, "made up"))


def column(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


@given(scores, scores, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.99]))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_no_lower_one_fires_so_seldom(
    positive: list[int], negative: list[int], share: float
) -> None:
    acts = activations_of(column(positive), column(negative))
    found = fit_threshold(acts, direction(torch.ones(1)), false_fires=share)
    fires = np.array(negative) > found.value
    assert found.false_fires == fires.mean() <= share
    assert found.hits == (np.array(positive) > found.value).mean()
    assert found.rates(acts) == (found.hits, found.false_fires)
    for lower in {*positive, *negative}:
        # Any threshold between other values is one of these.
        at = lower - 0.5
        if at < found.value and (np.array(negative) > at).mean() <= share:
            assert (np.array(positive) > at).mean() <= found.hits


@pytest.mark.parametrize("condition", KINDS)
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_the_rate_holds_on_other_texts(condition: Any, shape: tuple[int, ...]) -> None:
    name = AT if len(shape) == 1 else Z
    n, wanted = 2000, 0.1
    for seed in range(3):
        both = two_classes(*shape, n=2 * n, m=2 * n, gap=0.5, seed=seed)
        fitted = activations_of(*(each[:n] for each in both), at=name)
        held_out = activations_of(*(each[n:] for each in both), at=name)
        means = [each[:n].mean(0) for each in both]
        found = fit_threshold(
            fitted, direction(means[0] - means[1], name), false_fires=wanted, condition=condition
        )
        hits, false_fires = found.rates(held_out)
        # Both are counted on n texts: the one that was fitted, and the one that is measured.
        error = sqrt(2 * wanted * (1 - wanted) / n)
        assert abs(false_fires - wanted) < 4 * error
        assert abs(hits - found.hits) < 4 * sqrt(0.5 / n)
        assert isinstance(found.condition, condition)
        assert hits > 2 * false_fires


def test_scores_are_those_of_the_condition() -> None:
    positive, negative = two_classes(4, n=20, m=20)
    vector = torch.randn(4, generator=torch.Generator().manual_seed(1))
    acts = activations_of(positive, negative)
    for condition in KINDS:
        found = fit_threshold(acts, direction(vector), false_fires=0.2, condition=condition)
        along = negative @ vector / vector.norm()
        by_hand = along if condition is ProjectionAbove else along / negative.norm(dim=-1)
        assert found.false_fires == pytest.approx(float((by_hand > found.value).float().mean()))
        assert set(found.curve) == {"threshold", "false_fires", "hits"}
        assert found.curve["false_fires"].is_monotonic_increasing
        assert found.curve.iloc[[0, -1]][["false_fires", "hits"]].to_numpy().tolist() == [
            [0.0, 0.0],
            [1.0, 1.0],
        ]


def test_what_does_not_fit_is_refused() -> None:
    positive, negative = two_classes(4, n=6, m=6)
    good, acts = direction(torch.ones(4)), activations_of(positive, negative)
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(SteerError, match="expected a number from 0 to under 1"):
            fit_threshold(acts, good, false_fires=wrong)
    with pytest.raises(DataError, match="0 positive and 6 negative"):
        fit_threshold(activations_of(positive[:0], negative), good)
    with pytest.raises(DataError, match="no classes"):
        fit_threshold(without_classes(positive), good)
    with pytest.raises(DataError, match="Only moments"):
        fit_threshold(moments_of(acts), good)
    with pytest.raises(HookNameError, match="was not captured"):
        fit_threshold(acts, direction(torch.ones(4), "blocks.2.hook_resid_post"))
    with pytest.raises(MismatchError, match="5"):
        fit_threshold(acts, direction(torch.ones(5)))
    with pytest.raises(MismatchError, match="'m', not 'n'"):
        fit_threshold(replace(acts, model=replace(INFO, name="n")), good)
    with pytest.raises(NonFiniteError, match="NaN"):
        fit_threshold(activations_of(positive * float("nan"), negative), good)
