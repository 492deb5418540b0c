"""Steering: the three ways in, which are one; switches; rows; and what it refuses."""

from typing import Any

import pytest
import torch
from hypothesis import given, strategies as st
from kinds import one_architecture
from making import (
    SCOPES,
    SITES,
    TEXTS,
    batch_of,
    direction,
    everywhere_at_once,
    few,
    generated_by_model,
    generated_by_us,
    hooks_of,
    logits_of,
    own_model,
)
from models import KINDS, hf_llama, tokenizer

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.interventions import Intervention
from tl_steer.lens.loading import wrap
from tl_steer.lens.protocol import dtype_of


@one_architecture
@few
@given(scope=st.sampled_from(sorted(SCOPES)), strength=st.floats(-2, 2, width=32))
def test_three_ways_are_one(model: Any, scope: str, strength: float) -> None:
    steering = everywhere_at_once(model, SCOPES[scope][0], strength)
    batch = batch_of(model)
    call: dict[str, Any] = {"attention_mask": batch.real.long()}
    with torch.no_grad():
        with ts.steer(model, steering):
            by_block, tokens = model(batch.tokens, **call), generated_by_model(model, steps=2)
        with ts.steer(model, *steering.interventions.values()):
            assert torch.equal(model(batch.tokens, **call), by_block)
        with model.hooks(fwd_hooks=steering.fwd_hooks(model)):
            assert torch.equal(model(batch.tokens, **call), by_block)
            assert generated_by_model(model, steps=2) == tokens
        by_run = model.run_with_hooks(batch.tokens, **call, fwd_hooks=steering.fwd_hooks(model))
        assert torch.equal(by_run, by_block)
    assert generated_by_us(model, steering=steering, steps=2) == tokens


def test_what_is_cached_is_steered(model: Any) -> None:
    for site in SITES:
        with torch.no_grad():
            _, before = model.run_with_cache("a movie", names_filter=[site])
        shift = direction(model, site)
        with ts.steer(model, ts.Add(shift, 2.0, scope=slice(1, 2))), torch.no_grad():
            _, after = model.run_with_cache("a movie", names_filter=[site])
        expected = before[site].clone()
        expected[:, 1] += 2 * shift.vector
        torch.testing.assert_close(after[site], expected)


def test_the_wrapped_models_own_generation_is_steered(model: Any) -> None:
    if not hasattr(model, "original_model"):
        pytest.skip("nothing is wrapped")
    steering = everywhere_at_once(model, ts.generated)
    batch = batch_of(model)
    with ts.steer(model, steering):
        found = model.original_model.generate(
            input_ids=batch.tokens,
            attention_mask=batch.real.long(),
            max_new_tokens=4,
            min_new_tokens=4,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    assert found[:, -4:].tolist() == generated_by_us(model, steering=steering)


@pytest.mark.parametrize("site", SITES)
def test_gradients_flow_through(model: Any, site: str) -> None:
    """Against a difference quotient along the direction, also where a hook writes in place."""
    shift = direction(model, site)
    weight = next(p for p in model.parameters() if p.requires_grad)

    def loss(strength: float) -> torch.Tensor:
        with ts.steer(model, ts.Add(shift, strength)):
            value: torch.Tensor = model("the film was", return_type="logits")[0, -1, 5]
        return value

    found = torch.autograd.grad(loss(0.5), weight)[0]
    assert torch.isfinite(found).all()
    step = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = weight.clone()
        weight.add_(1e-3 * step)
        above = float(loss(0.5))
        weight.copy_(before - 1e-3 * step)
        below = float(loss(0.5))
        weight.copy_(before)
    quotient = (above - below) / 2e-3
    assert float((found * step).sum()) == pytest.approx(quotient, rel=0.05, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_stays_half(kind: Any) -> None:
    wrapped = "hooked" if kind == "hooked" else "bridge"
    model = wrap(
        hf_llama().to(torch.bfloat16), tokenizer(), name="small", kind=wrapped, device="cpu"
    )
    assert dtype_of(model) == torch.bfloat16
    for site in SITES:
        unsteered = logits_of(model)
        with ts.steer(model, ts.Add(direction(model, site), 2.0)):
            steered = logits_of(model)
        assert steered.dtype == unsteered.dtype == torch.bfloat16
        assert not torch.equal(steered, unsteered)


def test_names_and_switches() -> None:
    model = own_model("bridge")
    first, second, third = (ts.Add(direction(model, name)) for name in SITES[:3])
    steering = ts.Steering(first, second, joy=third)
    assert list(steering.interventions) == ["1", "2", "joy"]
    assert steering.active == (first, second, third)
    off = steering.off("1", "joy")
    assert off.active == (second,)
    assert off.off("1").active == (second,)
    assert off.on("joy").active == (second, third)
    assert steering.active == (first, second, third), "a Steering does not change"
    with pytest.raises(TypeError):
        steering.interventions["1"] = second  # type: ignore[index]
    assert repr(off).splitlines()[0] == "Steering of 3"
    assert [line.endswith("(off)") for line in repr(off).splitlines()[1:]] == [True, False, True]
    assert off.rows([0]).switched_off == off.switched_off


def test_what_is_off_is_not_checked() -> None:
    model = own_model("bridge")
    stranger = ts.Add(direction(own_model("bridge", "gpt2"), SITES[0]))
    steering = ts.Steering(ts.Add(direction(model, SITES[0])), stranger)
    with pytest.raises(SteerError, match="read from another model"):
        steering.check_fits(model)
    steering.off("2").check_fits(model)


def test_an_addition_at_another_hook_point(model: Any) -> None:
    shift = direction(model, SITES[1])
    moved = ts.Add(shift, 1.5, at=SITES[2])
    assert moved.hook_name == SITES[2]
    same = ts.Add(direction(model, SITES[2]), 1.5)
    assert torch.equal(shift.vector, direction(model, SITES[2]).vector)
    with ts.steer(model, same):
        expected = logits_of(model)
    with ts.steer(model, moved):
        assert torch.equal(logits_of(model), expected)
    several = ts.Add([shift, direction(model, SITES[2])], 1.5, at=SITES[2])
    assert several.n_rows == 2


def test_dose_and_strength() -> None:
    model = own_model("bridge")
    shift = direction(model, SITES[2])
    add = ts.Add(shift, -1.5)
    assert add.dose == pytest.approx(1.5 * shift.norm / shift.scale)
    assert ts.Add(shift, shift.strength_for(dose=0.1)).dose == pytest.approx(0.1)
    assert ts.Add(shift, [1.0, -3.0]).dose == pytest.approx(3 * shift.norm / shift.scale)
    assert isinstance(add, Intervention)


def test_a_scope_of_ones_own(model: Any) -> None:
    def even(context: Any) -> torch.Tensor:
        mask: torch.Tensor = context.real & (context.positions % 2 == 0)
        return mask

    shift = direction(model, SITES[0])
    with ts.steer(model, ts.Add(shift, scope=even)), torch.no_grad():
        found = model("the film was very")
    both = (ts.Add(shift, scope=slice(0, 1)), ts.Add(shift, scope=slice(2, 3)))
    with ts.steer(model, *both), torch.no_grad():
        assert torch.equal(model("the film was very"), found)


def test_a_block_is_entered_once_at_a_time(model: Any) -> None:
    before = hooks_of(model)
    for scope in (ts.everywhere, ts.prompt):
        block = ts.steer(model, ts.Add(direction(model, SITES[0]), scope=scope))
        with block:
            inside = hooks_of(model)
            with pytest.raises(SteerError, match=r"already entered\. Make another"):
                block.__enter__()
            assert hooks_of(model) == inside, "and goes on"
        assert hooks_of(model) == before
        with block:
            logits_of(model)


def test_one_text_for_settings_of_two_rows(model: Any) -> None:
    with ts.steer(model, ts.Add(direction(model, SITES[0]), [1.0, 2.0])):
        logits_of(model, TEXTS[:2])
        with pytest.raises(SteerError, match="settings for 2 rows came with a batch of 3"):
            logits_of(model)
