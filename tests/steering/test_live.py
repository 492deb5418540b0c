"""Switches and strengths that change while a block goes on."""

from typing import Any

import pytest
import torch
from making import SITES, direction, hooks_of, logits_of

import tl_steer as ts
from tl_steer.errors import SteerError


def steering(model: Any) -> ts.Steering:
    return ts.Steering(
        one=ts.Add(direction(model, SITES[0]), 1.0), two=ts.Add(direction(model, SITES[1]), 2.0)
    )


def once(model: Any, given: ts.Steering) -> torch.Tensor:
    with ts.steer(model, given):
        return logits_of(model)


def test_changes_act_at_once_and_equal_a_block_of_their_own(model: Any) -> None:
    plain, given = logits_of(model), steering(model)
    with ts.steer(model, given) as live:
        live.off("one")
        off = logits_of(model)
        live.at_strength(two=-1.0)
        weaker = logits_of(model)
        live.off("two")
        assert torch.equal(logits_of(model), plain)
        live.on("one", "two")
        live.at_strength(two=2.0)
        back = logits_of(model)
    assert torch.equal(off, once(model, given.off("one")))
    assert torch.equal(weaker, once(model, given.off("one").at_strength(two=-1.0)))
    assert torch.equal(back, once(model, given))
    assert torch.equal(logits_of(model), plain)


def test_without_a_block(model: Any) -> None:
    before = hooks_of(model)
    live = ts.steer(model, steering(model).off("one")).start()
    assert "one" in repr(live)
    live.on("one")
    assert torch.equal(logits_of(model), logits_of(model))
    live.remove()
    live.remove()
    assert hooks_of(model) == before
    with live:
        pass
    assert hooks_of(model) == before


def test_the_order_of_blocks_stays(model: Any) -> None:
    """What is switched on again acts where it acted before: not after a block inside."""
    site = SITES[0]
    add = ts.Steering(add=ts.Add(direction(model, site), 3.0))
    inner = ts.Add(direction(model, site), 1.0, scope=slice(1, 2))
    with ts.steer(model, add), ts.steer(model, inner):
        expected = logits_of(model)
    with ts.steer(model, add.off("add")) as live, ts.steer(model, inner):
        live.on("add")
        assert torch.equal(logits_of(model), expected)


def test_what_a_block_did_not_prepare_for(model: Any) -> None:
    given = steering(model)
    before = hooks_of(model)
    with ts.steer(model, given) as live:
        with pytest.raises(SteerError, match="was not prepared"):
            live.at_strength(one=lambda acts, context: torch.ones(context.positions.shape))
        with pytest.raises(SteerError, match="No intervention is called"):
            live.off("three")
        with pytest.raises(SteerError, match="is not finite"):
            live.at_strength(one=float("nan"))
        assert live.steering is given
        assert torch.equal(logits_of(model), once_inside(live))
    assert hooks_of(model) == before


def once_inside(live: Any) -> torch.Tensor:
    return logits_of(live.model)
