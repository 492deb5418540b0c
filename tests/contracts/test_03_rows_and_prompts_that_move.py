"""Contract 3, where rows change places and prompts come in pieces: right, or refused."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kinds import KINDS
from making import direction, own_model
from moving import OF_EACH_KIND, PROMPTS, REMEMBERS, THE_END, WHOLE_PROMPT, Loop, steerings
from scopes_of import COMMON
from transformers import DynamicCache

import tl_steer as ts
from tl_steer.errors import MismatchError, SteerError

SITE = "blocks.1.hook_resid_post"

of_each_class = pytest.mark.parametrize(
    "model",
    [(kind, "gpt2") for kind in KINDS if kind != "compatible"],
    ids="-".join,
    indirect=True,
)
"""A bridge in compatibility mode is called as any bridge is."""


def check(loop: Loop, steering: ts.Steering, name: str) -> None:
    torch.testing.assert_close(
        loop.logits, loop.expected(steering), atol=2e-4, rtol=0, msg=lambda text: f"{name}: {text}"
    )


@of_each_class
@torch.no_grad()
def test_rows_of_a_loop_change_places(model: Any) -> None:
    """They are repeated, exchanged and dropped."""
    for name, steering in steerings(model, OF_EACH_KIND):
        with ts.steer(model, steering):
            loop = Loop(model)
            loop.step(10, 11, 12)
            loop.move(2, 0, 0)
            loop.step(5, 6, 13)
            three = copy.copy(loop)
            loop.move(1, 2, 0)
            loop.step(7, 5, 3)
            loop.move(2)
            loop.step(9)
        check(three, steering, name)
        check(loop, steering, name)


@of_each_class
@torch.no_grad()
def test_a_cache_is_used_again(model: Any) -> None:
    """A prompt is read once, and gone on from three times: by copies in turn, and cut back."""
    for name, steering in steerings(model, OF_EACH_KIND):
        with ts.steer(model, steering):
            first = Loop(model)
            second = first.again()
            first.step(10, 11, 12)
            second.step(5, 6, 7)
            first.step(6, 6, 5)
            second.step(13, 5, 5)
            first.crop(2)
            first.step(5, 14, 6)
        check(first, steering, name)
        check(second, steering, name)


@of_each_class
@torch.no_grad()
def test_a_cache_that_is_cut_where_nothing_was_kept(model: Any) -> None:
    for name, steering in steerings(model, OF_EACH_KIND):
        with ts.steer(model, steering):
            loop = Loop(model)
            for tokens in ((10, 11, 12), (6, 5, 5), (13, 14, 6)):
                loop.step(*tokens)
            loop.crop(1)
            if name in REMEMBERS:
                with pytest.raises(SteerError, match="the end of the cache was cut off"):
                    loop.step(5, 5, 6)
                continue
            loop.step(5, 5, 6)
        check(loop, steering, name)


@of_each_class
@torch.no_grad()
def test_a_prompt_in_two_pieces(model: Any) -> None:
    for name, steering in steerings(model, OF_EACH_KIND):
        loop = Loop(model)
        expected = loop.expected(steering)
        with ts.steer(model, steering):
            if name in WHOLE_PROMPT | THE_END:
                with pytest.raises(SteerError, match="where the prompt ends is not known"):
                    loop.pieces(4)
            else:
                loop.pieces(4)
                torch.testing.assert_close(loop.logits, expected, atol=2e-4, rtol=0)
        with ts.steer(model, steering, prompt_lengths=loop.lengths):
            if name in WHOLE_PROMPT:
                with pytest.raises(SteerError, match="needs the whole prompt"):
                    loop.pieces(4)
                continue
            loop.pieces(4)
            loop.step(10, 11, 12)
        check(loop, steering, name)


@of_each_class
@torch.no_grad()
def test_settings_of_rows_that_move(model: Any) -> None:
    shift = direction(model, SITE)
    same = ts.Steering(
        ts.interventions.KeepNorm(ts.Add([shift, shift, 2 * shift], [1.0, 1.0, 2.0]))
    )
    with ts.steer(model, same):
        loop = Loop(model)
        loop.move(1, 0, 2)
        loop.step(10, 11, 12)
        moved = copy.copy(loop)
        loop.move(2, 1, 0)
        with pytest.raises(MismatchError, match=r"were reordered, to \[2, 1, 0\]"):
            loop.step(10, 11, 12)
    check(moved, same, "the same for both")
    # What else has settings per row is not known to be alike.
    unlike = ts.Steering(ts.Add(shift, ts.strengths.Multiply([1.0, 1.0], ts.strengths.WarmUp(2))))
    with ts.steer(model, unlike):
        loop = Loop(model, PROMPTS[:2])
        loop.move(1, 0)
        with pytest.raises(MismatchError, match="were reordered"):
            loop.step(10, 11)


def refused_outside(model: Any, scope: Any) -> Callable[[], None]:
    def run() -> None:
        loop = Loop(model)
        with ts.steer(model, ts.Add(direction(model, SITE), scope=scope)):
            loop.step(10, 11, 12)

    return run


@torch.no_grad()
def test_a_cache_that_was_filled_before(model: Any) -> None:
    """Positions are told by the mask; where the prompt ended is not."""
    for scope in (ts.everywhere, slice(2, 9)):
        refused_outside(model, scope)()
    for scope in (
        ts.prompt,
        ts.generated,
        ts.last_prompt_token,
        ts.scopes.Latched(slice(2, 3)),
        COMMON,
    ):
        with pytest.raises(SteerError, match="filled outside of this block"):
            refused_outside(model, scope)()


@torch.no_grad()
def test_a_frozen_cache() -> None:
    if "hooked" not in KINDS:
        pytest.skip("HookedTransformer is in TransformerLens 3 only")
    model = own_model("hooked", "gpt2")
    steering = ts.Steering(
        ts.Add(
            direction(model, SITE),
            3.0,
            scope=ts.scopes.Latched(ts.scopes.AllOf(COMMON, ts.generated)),
        )
    )
    with ts.steer(model, steering):
        loop = Loop(model)
        loop.decoder._cache.freeze()
        found = []
        for tokens in ((10, 11, 12), (6, 5, 5), (10, 11, 12)):
            again = loop.again()
            # Not copied: it is the same frozen cache that is gone on from.
            again.decoder._cache = loop.decoder._cache
            again.step(*tokens)
            found.append(again)
    for each in found:
        check(each, steering, "frozen")


@torch.no_grad()
def test_a_cache_that_keeps_nothing() -> None:
    """A loop that was to have one and sees it empty reads the whole text again."""
    model = own_model("bridge", "gpt2")
    row = torch.tensor([PROMPTS[2]])
    seen = []

    def scope(context: Any) -> torch.Tensor:
        seen.append(context.generated.tolist())
        return context.generated  # type: ignore[no-any-return]

    with ts.steer(model, ts.Add(direction(model, SITE), scope=scope)):
        for extra in (0, 1, 2):
            tokens = torch.cat([row, torch.full((1, extra), 5)], dim=1)
            model.original_model(tokens, past_key_values=Forgets(), use_cache=True)
        # Read with a cache that keeps it, the longer text is a prompt of its own.
        for extra in (0, 1):
            model.original_model(torch.cat([row, row[:, :extra]], dim=1), use_cache=True)
    width = row.shape[1]
    assert [sum(each[0]) for each in seen] == [0, 1, 2, 0, 0]
    assert seen[2][0][:width] == [False] * width


class Forgets(DynamicCache):
    """Hands keys and values back, and keeps none."""

    def update(self, keys: Any, values: Any, *args: Any, **settings: Any) -> Any:
        return keys, values
