"""Ablate, SetProjection, ScaleAlong and AffineEdit against the formulas in numpy."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import activations_of, few_dimensions, moments_of, two_classes
from hypothesis import given, settings, strategies as st
from interventions_of import AT, Z, applied, several
from making import as_users_run_it, direction, logits_of, shared_model

import tl_steer as ts
from tl_steer.directions import negative_mean, positive_mean
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.interventions._ablate import Ablate
from tl_steer.interventions._affine_edit import AffineEdit, affine_edit
from tl_steer.interventions._scale_along import ScaleAlong
from tl_steer.interventions._set_projection import SetProjection

MODEL = shared_model("bridge", "llama")
places = pytest.mark.parametrize("name", [AT, Z])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])


def states(name: str, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    shape = direction(MODEL, name).vector.shape
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(2, 3, *shape, generator=generator)).to(dtype)


def unit(given: ts.Direction) -> Any:
    vector = given.vector.flatten().double().numpy()
    return vector / np.linalg.norm(vector)


def check(found: torch.Tensor, expected: Any, dtype: torch.dtype) -> None:
    assert found.dtype == dtype
    rounding = 2**-8 if dtype == torch.bfloat16 else 1e-6
    np.testing.assert_allclose(
        found.double().flatten(2).numpy(), expected, rtol=rounding, atol=10 * 1e-6
    )


@places
@dtypes
def test_ablation_is_the_projection_onto_the_complement(name: str, dtype: torch.dtype) -> None:
    given, acts = several(MODEL, name, 3), states(name, dtype)
    h = acts.double().flatten(2).numpy()
    one = np.outer(unit(given[0]), unit(given[0]))
    check(applied(Ablate(given[0]), acts, 0.7), h - 0.7 * h @ one, dtype)
    v = np.stack([each.vector.flatten().double().numpy() for each in given])
    span = v.T @ np.linalg.inv(v @ v.T) @ v
    check(applied(Ablate(given), acts, 0.7), h - 0.7 * h @ span, dtype)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(seed=st.integers(0, 1000), n=st.integers(1, 5), size=st.floats(1e-3, 1e3))
def test_ablated_twice_is_ablated_once(seed: int, n: int, size: float) -> None:
    given = several(MODEL, AT, n)
    acts = size * states(AT, seed=seed)
    once = applied(Ablate(given), acts)
    for each in given:
        along = (once * each.unit.vector).sum(-1)
        torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-5 * size, rtol=0)
    torch.testing.assert_close(applied(Ablate(given), once), once, atol=1e-5 * size, rtol=0)


def test_parallel_directions_count_once_and_lengths_not_at_all() -> None:
    one, other = several(MODEL, AT)
    many = [one, -3.0 * one, other, 1e-12 * other, one + other]
    assert Ablate(many).basis.shape == (2, 32)
    torch.testing.assert_close(
        applied(Ablate(many), states(AT)), applied(Ablate([one, other]), states(AT))
    )
    everything = Ablate([direction(MODEL, AT, seed) for seed in range(40)])
    assert everything.basis.shape == (32, 32)


def test_ablation_equals_orthogonalising_the_weight_that_writes() -> None:
    given = several(MODEL, AT, 2)
    inputs, weight, bias = torch.randn(2, 3, 64), torch.randn(64, 32), torch.randn(32)
    q = Ablate(given).basis
    orthogonal = weight - weight @ q.T @ q, bias - bias @ q.T @ q
    expected = inputs @ orthogonal[0] + orthogonal[1]
    found = applied(Ablate(given), inputs @ weight + bias)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@places
@dtypes
def test_a_projection_is_set_or_clamped(name: str, dtype: torch.dtype) -> None:
    given, acts = direction(MODEL, name), states(name, dtype)
    h, v = acts.double().flatten(2).numpy(), unit(given)
    now = h @ v
    check(applied(SetProjection(given, 2.5), acts), h + (2.5 - now)[..., None] * v, dtype)
    low, high = np.quantile(now, [0.3, 0.7])
    missing = np.clip(now, low, high) - now
    clamp = SetProjection(given, (float(low), float(high)))
    check(applied(clamp, acts, 0.7), h + 0.7 * missing[..., None] * v, dtype)
    inside = torch.as_tensor(missing == 0)
    assert 0 < int(inside.sum()) < inside.numel()
    assert torch.equal(applied(clamp, acts)[inside], acts[inside])


@settings(deadline=None, max_examples=20, derandomize=True)
@given(value=st.floats(-1e3, 1e3), seed=st.integers(0, 1000))
def test_a_projection_reaches_its_value(value: float, seed: int) -> None:
    given = direction(MODEL, AT)
    acts = applied(SetProjection(given, value), states(AT, seed=seed))
    reached = (acts * given.unit.vector).sum(-1)
    torch.testing.assert_close(reached, torch.full_like(reached, value), rtol=1e-5, atol=1e-4)


def test_an_end_of_an_interval_may_be_open() -> None:
    given, acts = direction(MODEL, AT), states(AT)
    now = (acts * given.unit.vector).sum(-1)
    floor, cap = SetProjection(given, (0.0, math.inf)), SetProjection(given, (-math.inf, 0.0))
    for clamp, expected in ((floor, now.clamp(min=0)), (cap, now.clamp(max=0))):
        found = (applied(clamp, acts) * given.unit.vector).sum(-1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@places
@dtypes
def test_scaling_multiplies_the_distance_along_the_direction(name: str, dtype: torch.dtype) -> None:
    (given, point), acts = several(MODEL, name), states(name, dtype)
    h, v = acts.double().flatten(2).numpy(), unit(given)
    mu = point.vector.flatten().double().numpy()
    moved = ((h - mu) @ v)[..., None] * v
    scale = ScaleAlong(given, -1.5, about=point)
    check(applied(scale, acts, 0.7), h + 0.7 * -2.5 * moved, dtype)
    by_number = ScaleAlong(given, -1.5, about=float(mu @ v))
    check(applied(by_number, acts, 0.7), h + 0.7 * -2.5 * moved, dtype)


def test_what_scaling_is_the_general_case_of() -> None:
    (given, point), acts = several(MODEL, AT), states(AT)
    torch.testing.assert_close(applied(ScaleAlong(given, 0.0), acts), applied(Ablate(given), acts))
    torch.testing.assert_close(
        applied(ScaleAlong(given, 0.0, about=point), acts), applied(AffineEdit(given, point), acts)
    )
    mirror = ScaleAlong(given, -1.0, about=point)
    torch.testing.assert_close(applied(mirror, applied(mirror, acts)), acts)
    assert torch.equal(applied(ScaleAlong(given, 1.0), acts), acts)


@places
@dtypes
def test_the_affine_edit_is_that_of_the_paper(name: str, dtype: torch.dtype) -> None:
    (given, mean), acts = several(MODEL, name), states(name, dtype)
    h, v = acts.double().flatten(2).numpy(), given.vector.flatten().double().numpy()
    onto = np.outer(v, v) / (v @ v)
    mu = mean.vector.flatten().double().numpy()
    expected = h - h @ onto + mu @ onto + 0.7 * v
    check(applied(AffineEdit(given, mean, 0.7), acts), expected, dtype)
    check(applied(AffineEdit(given, mean, 0.7), acts, 0.4), 0.6 * h + 0.4 * expected, dtype)


@few_dimensions
@places
def test_an_affine_edit_of_activations_puts_both_classes_in_one_place(name: str) -> None:
    shape = tuple(direction(MODEL, name).vector.shape)
    positive, negative = two_classes(*shape)
    acts = activations_of(positive, negative, at=name)
    v = ts.mean_difference(acts)[name].unit.vector
    for from_what in (acts, moments_of(acts)):
        for towards, target in ((0.0, negative), (1.0, positive)):
            edit = affine_edit(from_what, name, towards=towards)
            goal = (target.mean(0) * v).sum()
            for side in (positive, negative):
                found = (applied(edit, side[:, None])[:, 0] * v).flatten(1).sum(-1)
                torch.testing.assert_close(found, goal.expand(len(found)), rtol=1e-4, atol=1e-4)
    other = replace(ts.mean_difference(acts)[name], vector=torch.randn(shape))
    assert affine_edit(acts, name, direction=other, scope=ts.prompt).direction is other


@few_dimensions
def test_class_means_are_the_means() -> None:
    positive, negative = two_classes(32)
    acts = activations_of(positive, negative)
    for from_what in (acts, moments_of(acts)):
        torch.testing.assert_close(positive_mean(from_what)[AT].vector, positive.mean(0))
        torch.testing.assert_close(negative_mean(from_what)[AT].vector, negative.mean(0))
    assert "negative mean" in repr(negative_mean(acts)[AT])
    with pytest.raises(DataError, match="no positive example"):
        positive_mean(activations_of(positive[:0], negative))
    with pytest.raises(NonFiniteError, match=AT):
        positive_mean(activations_of(positive * math.nan, negative))
    with pytest.raises(HookNameError, match="no direction was read"):
        affine_edit(acts, "blocks.0.hook_resid_post")


def test_at_another_hook_point_of_the_same_width() -> None:
    early, late = direction(MODEL, "blocks.0.hook_resid_post"), direction(MODEL, AT, 1)
    with pytest.raises(MismatchError, match="2 hook points"):
        Ablate([early, late])
    together = Ablate([early, late], at=AT)
    assert together.hook_name == AT
    with ts.steer(MODEL, together):
        found = logits_of(MODEL)
    with ts.steer(MODEL, Ablate([replace(early, hook_name=AT), late])):
        assert torch.equal(logits_of(MODEL), found)


def test_order_is_what_is_written() -> None:
    given = direction(MODEL, AT)
    ablate, add = Ablate(given), ts.Add(given, 2.0)
    with ts.steer(MODEL, ablate):
        ablated = logits_of(MODEL)
    with ts.steer(MODEL, add, ablate):
        torch.testing.assert_close(logits_of(MODEL), ablated, atol=1e-4, rtol=1e-4)
    with ts.steer(MODEL, SetProjection(given, 2 * given.norm, scope=slice(0, None))):
        placed = logits_of(MODEL)
    with ts.steer(MODEL, ts.Steering(ablate, add)):
        # Also padding is touched there, but is nothing to the tokens.
        torch.testing.assert_close(logits_of(MODEL)[2], placed[2], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(placed[2], ablated[2], atol=1e-2)


def test_what_is_refused() -> None:
    given = direction(MODEL, AT)
    z = direction(MODEL, Z)
    zero = replace(given, vector=torch.zeros(32))
    for make in (
        Ablate,
        lambda d: Ablate([given, d]),
        lambda d: SetProjection(d, 1.0),
        lambda d: ScaleAlong(d, 2.0),
        lambda d: AffineEdit(d, 0.0),
    ):
        with pytest.raises(NonFiniteError, match=f"{AT}: the zero vector has no direction"):
            make(zero)
    for make in (lambda: SetProjection(given, math.nan), lambda: SetProjection(given, math.inf)):
        with pytest.raises(NonFiniteError, match="not finite"):
            make()
    with pytest.raises(SteerError, match="ends before it begins"):
        SetProjection(given, (1.0, 0.0))
    with as_users_run_it():
        for wrong in ("much", (1.0, 2.0, 3.0), None):
            with pytest.raises(SteerError, match=r"one number, or an interval \(low, high\)"):
                SetProjection(given, wrong)  # type: ignore[arg-type]
    for make in (
        lambda: ScaleAlong(given, math.inf),
        lambda: ScaleAlong(given, 1.0, about=math.nan),
        lambda: AffineEdit(given, math.nan),
        lambda: AffineEdit(given, 0.0, math.inf),
    ):
        with pytest.raises(NonFiniteError, match="is not finite"):
            make()
    with pytest.raises(MismatchError, match="2 hook points"):
        AffineEdit(given, direction(MODEL, "blocks.0.hook_resid_post"))
    with pytest.raises(MismatchError, match="different shapes"):
        ScaleAlong(given, 2.0, about=z, at=AT)
    with pytest.raises(MismatchError, match="at least one direction"):
        Ablate([])
    with pytest.raises(HookNameError, match="expected one hook point"):
        Ablate(given, at="blocks.*.hook_resid_post")
