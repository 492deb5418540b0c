"""Contract 6: interventions act in the order given; blocks nest and may end in any order."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import pytest
import torch
from hypothesis import given, strategies as st
from making import SITES, TEXTS, batch_of, direction, few, generated_by_model, logits_of
from torch import Tensor

import tl_steer as ts
from tl_steer.interventions import Edit, Intervention
from tl_steer.lens.hook_names import needs_writing_in_place
from tl_steer.scopes import Scope


@dataclass(frozen=True, eq=False)
class Scale:
    """h' = fh: does not commute with an addition. Not of tl_steer: the protocol is all it meets."""

    hook_name: str
    factor: float
    strength: float = 1.0
    scope: Scope = ts.everywhere
    n_rows: int | None = None

    def rows(self, index: Sequence[int]) -> Self:
        return self

    def check_fits(self, model: Any) -> None:
        """Any model will do."""

    def edit(self) -> Edit:
        return lambda acts, strength, context: acts * self.factor


def test_the_protocol_is_all_that_is_asked() -> None:
    assert isinstance(Scale(SITES[0], 2.0), Intervention)


@pytest.mark.parametrize("site", SITES)
def test_order_at_one_hook_point(model: Any, site: str) -> None:
    add, scale = ts.Add(direction(model, site), 0.9), Scale(site, 1.7)
    shift = 0.9 * direction(model, site).vector

    def by_hand(edit: Any) -> Tensor:
        def hook_of_the_test(acts: Tensor, hook: Any) -> Tensor:
            after = edit(acts)
            return acts.copy_(after) if needs_writing_in_place(model, site) else after

        batch = batch_of(model)
        with torch.no_grad(), model.hooks(fwd_hooks=[(site, hook_of_the_test)]):
            logits: Tensor = model(batch.tokens, attention_mask=batch.real.long())
        return logits

    with ts.steer(model, add, scale):
        add_first = logits_of(model)
    with ts.steer(model, scale, add):
        scale_first = logits_of(model)
    torch.testing.assert_close(add_first, by_hand(lambda h: (h + shift) * 1.7))
    torch.testing.assert_close(scale_first, by_hand(lambda h: h * 1.7 + shift))
    assert (add_first - scale_first).abs().max() > 1e-3
    # Nested blocks act in the order in which they were entered.
    with ts.steer(model, add), ts.steer(model, scale):
        assert torch.equal(logits_of(model), add_first)
    with ts.steer(model, scale), ts.steer(model, add):
        assert torch.equal(logits_of(model), scale_first)


@few
@given(
    site=st.sampled_from(SITES),
    strengths=st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3),
    order=st.permutations(range(3)),
)
def test_additions_commute(
    model: Any, site: str, strengths: list[float], order: Sequence[int]
) -> None:
    adds = [ts.Add(direction(model, site, seed), s) for seed, s in enumerate(strengths)]
    with ts.steer(model, *adds):
        expected = logits_of(model)
    with ts.steer(model, *(adds[number] for number in order)):
        torch.testing.assert_close(logits_of(model), expected, atol=1e-4, rtol=0)
    first, second, third = (direction(model, site, seed) for seed in range(3))
    total = strengths[0] * first + strengths[1] * second + strengths[2] * third
    with ts.steer(model, ts.Add(total)):
        torch.testing.assert_close(logits_of(model), expected, atol=1e-4, rtol=0)


SCOPED = (ts.everywhere, ts.prompt, ts.last_prompt_token, ts.Positions(-2))
OFF = st.sets(st.integers(1, len(SCOPED)))


@few
@given(off=OFF)
def test_off_equals_leaving_out(model: Any, off: set[int]) -> None:
    adds = [
        ts.Add(direction(model, SITES[number % 3], number), 0.6, scope=scope)
        for number, scope in enumerate(SCOPED)
    ]
    full = ts.Steering(*adds)
    names = [str(number) for number in off]
    with ts.steer(model, *(add for number, add in enumerate(adds, 1) if number not in off)):
        left_out, tokens = logits_of(model), generated_by_model(model, steps=2)
    with ts.steer(model, full.off(*names)):
        assert torch.equal(logits_of(model), left_out)
        assert generated_by_model(model, steps=2) == tokens
    with ts.steer(model, full):
        expected = logits_of(model)
    with ts.steer(model, full.off(*names).on(*names)):
        assert torch.equal(logits_of(model), expected)


@few
@given(order=st.permutations(range(3)))
def test_blocks_may_end_in_any_order(model: Any, order: Sequence[int]) -> None:
    unsteered = logits_of(model)
    several = [
        ts.Steering(ts.Add(direction(model, SITES[2], 1), 0.9, scope=ts.prompt)),
        ts.Steering(Scale(SITES[2], 1.4), Scale(SITES[1], 0.7)),
        ts.Steering(ts.Add(direction(model, SITES[2], 2), 0.9), Scale(SITES[1], 1.2)),
    ]
    blocks = [ts.steer(model, steering).__enter__() for steering in several]
    left = [0, 1, 2]
    for ends in order:
        blocks[ends].remove()
        left.remove(ends)
        found = logits_of(model)
        with ExitStack() as stack:
            for number in left:
                blocks[number].remove()
            again = [stack.enter_context(ts.steer(model, several[number])) for number in left]
            assert torch.equal(logits_of(model), found)
            for block in again:
                block.remove()
        for number in left:
            blocks[number].__enter__()
    assert torch.equal(logits_of(model), unsteered)


def test_a_block_and_hooks_of_transformer_lens_may_end_in_any_order(model: Any) -> None:
    add = ts.Add(direction(model, SITES[2]), 0.9, scope=ts.prompt)
    own = (SITES[2], lambda acts, hook: acts * 1.3)
    unsteered = logits_of(model)
    with model.hooks(fwd_hooks=[own]):
        only_own = logits_of(model)
        block = ts.steer(model, add).__enter__()
        both = logits_of(model)
    with_block = logits_of(model)
    block.remove()
    with ts.steer(model, add):
        assert torch.equal(logits_of(model), with_block)
    assert torch.equal(logits_of(model), unsteered)
    with ts.steer(model, add) as outer, model.hooks(fwd_hooks=[own]):
        assert not torch.equal(logits_of(model), both), "the two do not commute"
        outer.remove()
        assert torch.equal(logits_of(model), only_own)


def test_interventions_at_several_hook_points_keep_their_order(model: Any) -> None:
    here, there = SITES[2], SITES[1]
    mixed = [
        ts.Add(direction(model, here), 0.9),
        Scale(there, 1.5),
        Scale(here, 1.7),
        ts.Add(direction(model, there), 0.9),
    ]
    with ts.steer(model, *mixed):
        interleaved = logits_of(model, TEXTS)
    with ts.steer(model, mixed[1], mixed[3], mixed[0], mixed[2]):
        assert torch.equal(logits_of(model, TEXTS), interleaved)
