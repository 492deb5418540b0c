"""Holding a projection, against a loop over tokens."""

import math
from typing import Any

import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes
from hypothesis import given, settings, strategies as st
from making import direction, generated_by_us
from passes import split, steps, whole

import tl_steer as ts
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.strengths._hold_projection import HoldProjection, sums_within

SITE = "blocks.1.hook_resid_post"
PROMPTS, WRITTEN = [4, 1, 2], 7


def by_loop(
    rows: torch.Tensor, along: ts.Direction, target: float, context: Any, settings: dict[str, Any]
) -> torch.Tensor:
    """The controller, one token after the other."""
    wanted = {"gain": 1.0, "integral": 0.0, "windup": math.inf, "at_most": math.inf, **settings}
    over = wanted.pop("over", ts.generated)(context)
    found = torch.zeros(rows.shape[:2])
    for row in range(len(rows)):
        total = 0.0
        for column in range(rows.shape[1]):
            if context.positions[row, column] < 0:
                continue
            error = target - float(rows[row, column] @ along.vector) / along.norm
            strength = (wanted["gain"] * error + wanted["integral"] * total) / along.norm
            found[row, column] = max(-wanted["at_most"], min(wanted["at_most"], strength))
            if over[row, column]:
                total = max(-wanted["windup"], min(wanted["windup"], total + error))
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gain": 0.3},
        {"integral": 0.4},
        {"gain": 0.5, "integral": 0.4, "windup": 5.0},
        {"gain": 0.5, "integral": 0.4, "windup": 5.0, "over": ts.everywhere},
        {"gain": 0.0, "integral": 1.0, "at_most": 0.7},
    ],
    ids="-".join,
)
def test_the_controller_is_the_loop_with_and_without_a_cache(
    model: Any, settings: dict[str, Any]
) -> None:
    along, context = direction(model, SITE), whole(PROMPTS, WRITTEN)
    generator = torch.Generator().manual_seed(1)
    acts = 3 * torch.randn(*context.positions.shape, 32, generator=generator)
    expected = by_loop(acts, along, 2.0, context, settings)
    holding = HoldProjection(along, 2.0, **settings)
    found = torch.where(context.real, holding(acts, context), 0.0)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    contexts = steps(PROMPTS, WRITTEN)
    for each, part, wanted in zip(
        contexts, split(acts, contexts), split(expected, contexts), strict=True
    ):
        found = torch.where(each.real, holding(part, each), 0.0)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_gain_one_lands_on_the_target(model: Any) -> None:
    along = direction(model, SITE)
    with torch.no_grad(), ts.steer(model, ts.Add(along, HoldProjection(along, -4.0))):
        _, kept = model.run_with_cache("the film was very good", names_filter=[SITE])
    found = kept[SITE] @ along.unit.vector
    torch.testing.assert_close(found, torch.full_like(found, -4.0), atol=1e-4, rtol=0)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    numbers=st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40),
    start=st.floats(-2, 2, width=32),
    cap=st.sampled_from([2.0, 5.0, math.inf]),
)
def test_sums_never_leave_their_cap(numbers: list[float], start: float, cap: float) -> None:
    found = sums_within(torch.tensor([numbers]), torch.tensor([start]), cap)
    total, expected = start, []
    for number in numbers:
        total = max(-cap, min(cap, total + number))
        expected.append(total)
    torch.testing.assert_close(found[0], torch.tensor(expected), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("kept", [lambda a: a, moments_of], ids=["vectors", "moments"])
def test_the_target_of_a_class(kept: Any) -> None:
    activations = kept(activations_of(*two_classes(32)))
    positive, _ = two_classes(32)
    along = ts.mean_difference(activations)[AT]
    holding = HoldProjection.at_positive_mean(along, activations, gain=0.5, at_most=2.0)
    expected = float((positive @ along.vector / along.norm).mean())
    assert holding.target == pytest.approx(expected, rel=1e-5)
    assert (holding.gain, holding.at_most) == (0.5, 2.0)


def test_another_hook_point_is_refused(model: Any) -> None:
    along = direction(model, SITE)
    elsewhere = ts.Add(along, HoldProjection(along, 1.0), at="blocks.2.hook_resid_post")
    with pytest.raises(
        MismatchError, match=r"was made for the activations of blocks\.1\.hook_resid_post"
    ):
        ts.steer(model, elsewhere)
    same = ts.Add(along, HoldProjection(along, 1.0))
    assert generated_by_us(model, "a movie", ts.Steering(same))


def test_what_is_refused(model: Any) -> None:
    along = direction(model, SITE)
    with pytest.raises(NonFiniteError, match="zero vector"):
        HoldProjection(along * 0.0, 1.0)
    with pytest.raises(NonFiniteError, match="target=inf"):
        HoldProjection(along, math.inf)
    for name in ("gain", "integral", "at_most"):
        wrong: dict[str, Any] = {name: -1.0}
        with pytest.raises(SteerError, match=rf"{name}=-1.0.: expected a number of at least 0"):
            HoldProjection(along, 1.0, **wrong)
    with pytest.raises(SteerError, match=r"windup=0.0.: expected a number over 0"):
        HoldProjection(along, 1.0, windup=0.0)
    activations = activations_of(*two_classes(32))
    with pytest.raises(MismatchError, match="different models"):
        HoldProjection.at_positive_mean(
            ts.Direction(along.vector, AT, 1.0, along.provenance), activations
        )
    own = ts.mean_difference(activations)[AT]
    with pytest.raises(DataError, match="no classes"):
        HoldProjection.at_positive_mean(own, activations_of(*two_classes(32), is_positive=None))
