"""Strengths: numbers, numbers for rows, and functions of the pass."""

from typing import Any

import pytest
import torch
from making import SITES, TEXTS, batch_of, direction, generated_by_us, logits_of, own_model
from models import tokenizer

import tl_steer as ts
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.lens.context import Context
from tl_steer.strengths._strength import as_strength

SITE = SITES[0]


def constant(value: float) -> Any:
    return lambda acts, context: torch.full(context.positions.shape, value)


@pytest.mark.parametrize("site", SITES)
def test_a_function_that_is_constant_is_a_number(model: Any, site: str) -> None:
    # Padding is touched by neither.
    with ts.steer(model, ts.Add(direction(model, site), 1.5, scope=slice(0, None))):
        expected = logits_of(model)
    with ts.steer(model, ts.Add(direction(model, site), constant(1.5))):
        assert torch.equal(logits_of(model), expected)


def test_zero_is_nothing_to_the_last_bit(model: Any) -> None:
    before = logits_of(model)
    with ts.steer(model, ts.Add(direction(model, SITE), constant(0.0))):
        assert torch.equal(logits_of(model), before)


def test_a_strength_for_each_token(model: Any) -> None:
    def by_position(acts: torch.Tensor, context: Context) -> torch.Tensor:
        return context.positions.float()

    batch = batch_of(model)
    call = {"attention_mask": batch.real.long()}
    names = [SITE]
    with torch.no_grad():
        _, plain = model.run_with_cache(batch.tokens, names_filter=names, **call)
        with ts.steer(model, ts.Add(direction(model, SITE), by_position)):
            _, steered = model.run_with_cache(batch.tokens, names_filter=names, **call)
    positions = (batch.real.long().cumsum(-1) - 1).clamp(min=0).float() * batch.real
    shape = (*positions.shape, *[1] * (plain[SITE].ndim - 2))
    expected = plain[SITE] + positions.view(shape) * direction(model, SITE).vector
    torch.testing.assert_close(steered[SITE], expected)


def test_steered_text_is_the_same_with_and_without_a_cache(model: Any) -> None:
    def half_of_generated(acts: torch.Tensor, context: Context) -> torch.Tensor:
        return context.generated * 0.5

    by_function = ts.Steering(ts.Add(direction(model, SITE), half_of_generated))
    by_scope = ts.Steering(ts.Add(direction(model, SITE), 0.5, scope=ts.generated))
    assert generated_by_us(model, TEXTS, steering=by_function) == generated_by_us(
        model, TEXTS, steering=by_scope
    )


@pytest.mark.parametrize(
    ("strength", "error", "says"),
    [
        ("much", SteerError, "expected a strength, got"),
        (float("nan"), NonFiniteError, "is not finite"),
        (torch.ones(1, 1), MismatchError, "one number as the strength, or one for each row"),
        ([], MismatchError, "one number as the strength, or one for each row"),
    ],
)
def test_what_is_no_strength(strength: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says) as refused:
        as_strength(strength, hook_name=SITE)
    assert SITE in str(refused.value)


@pytest.mark.parametrize("wrong", [lambda a, c: 1.0, lambda a, c: torch.ones(7)])
def test_a_function_that_returns_something_else(model: Any, wrong: Any) -> None:
    with (
        ts.steer(model, ts.Add(direction(model, SITE), wrong)),
        pytest.raises(
            SteerError, match=r"Return a tensor of shape .* \(batch, position\)"
        ) as refused,
    ):
        model("a movie")
    assert SITE in str(refused.value)


def test_a_schedule_needs_to_know_where_the_prompt_ends() -> None:
    model = own_model("bridge")
    model.tokenizer = tokenizer()
    model.tokenizer.padding_side = "right"
    batch = batch_of(model, TEXTS[:2], "right")
    with ts.steer(model, ts.Add(direction(model, SITE), ts.strengths.FirstTokens(2, 1.0))):
        with pytest.raises(MismatchError, match="came without an attention mask"):
            model(batch.tokens)
        model(batch.tokens, attention_mask=batch.real.long())
