"""Contract 1: after a block, however it ends, the model is what it was, bit for bit."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from making import (
    SITES,
    TEXTS,
    assert_same_state,
    direction,
    everywhere_at_once,
    generated_by_model,
    greedy,
    hooks_of,
    logits_of,
    own_model,
    state_of,
)
from models import KINDS

import tl_steer as ts
from tl_steer.lens.hook_points import points
from tl_steer.lens.protocol import is_bridge

Ending = Callable[[Any, ts.Steering, pytest.MonkeyPatch], None]
WATCHED = "blocks.2.hook_resid_post"


class StopError(Exception):
    """Raised by a hook of the user's own."""


def mixed(model: Any) -> ts.Steering:
    """Additions at many hook points, in many scopes."""
    scopes = (ts.everywhere, ts.prompt, ts.generated, ts.last_prompt_token, slice(1, 3))
    places = zip((*SITES, *SITES), (*scopes, *scopes, *scopes), strict=False)
    return ts.Steering(*(ts.Add(direction(model, name), 0.8, scope=s) for name, s in places))


def normally(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    unsteered = logits_of(model)
    with ts.steer(model, steering):
        assert not torch.equal(logits_of(model), unsteered)
        generated_by_model(model, steps=3)
        generated_by_model(model, steps=3, use_past_kv_cache=False)
        model.run_with_cache("the film")
        greedy(model, steps=2)


def by_remove(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    block = ts.steer(model, steering)
    with block as entered:
        assert entered is block
        logits_of(model)
        block.remove()
        block.remove()


def by_generate(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    greedy(model, steering=steering, steps=2)


def by_hooks(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    model.run_with_hooks("the film was", fwd_hooks=steering.fwd_hooks(model))
    with model.hooks(fwd_hooks=steering.fwd_hooks(model)):
        generated_by_model(model, steps=3)


def by_an_exception(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        with ts.steer(model, steering):
            logits_of(model)
            raise StopError

    with pytest.raises(StopError):
        body()


def inside_the_model(
    model: Any, steering: ts.Steering, error: type[BaseException], run: Callable[[], Any]
) -> None:
    def fails(acts: torch.Tensor, hook: Any) -> None:
        raise error

    with (
        pytest.raises(error),
        ts.steer(model, steering),
        model.hooks(fwd_hooks=[(WATCHED, fails)]),
    ):
        run()


def by_a_hook_that_raises(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    inside_the_model(model, steering, StopError, lambda: logits_of(model))
    inside_the_model(model, steering, StopError, lambda: generated_by_model(model))


def by_an_interrupt(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    inside_the_model(model, steering, KeyboardInterrupt, lambda: generated_by_model(model))
    inside_the_model(model, steering, KeyboardInterrupt, lambda: greedy(model, steering=steering))


def by_attaching_half_way(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    last = points(model, [SITES[-1]])[SITES[-1]]
    add_hook = type(last).add_hook

    def fails(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self is last:
            raise StopError
        return add_hook(self, *args, **kwargs)

    patch.setattr(type(last), "add_hook", fails)
    block = ts.steer(model, steering)
    with pytest.raises(StopError), block:
        pytest.fail("the block must not begin")
    patch.undo()
    # It can be entered once nothing fails any more.
    with block:
        logits_of(model)


def by_being_left_alone(model: Any, steering: ts.Steering, patch: pytest.MonkeyPatch) -> None:
    ts.steer(model, steering)
    steering.check_fits(model)


@pytest.mark.parametrize(
    "ending",
    [
        normally,
        by_remove,
        by_generate,
        by_hooks,
        by_an_exception,
        by_a_hook_that_raises,
        by_an_interrupt,
        by_attaching_half_way,
        by_being_left_alone,
    ],
)
def test_nothing_stays(model: Any, ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_of(model)
    ending(model, mixed(model), monkeypatch)
    assert_same_state(state_of(model), before)


@pytest.mark.parametrize("kind", KINDS)
def test_training_mode_stays(kind: str) -> None:
    model = own_model(kind)
    model.train()
    model.blocks[1].eval()
    before = state_of(model, generate=False)
    assert {training for _, _, training in before["modules"]} == {True, False}
    with ts.steer(model, mixed(model)):
        logits_of(model)
    greedy(model, steering=mixed(model), steps=2)
    assert_same_state(state_of(model, generate=False), before)


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_of_the_user_stay_where_they_are(kind: str) -> None:
    model = own_model(kind)
    name = SITES[2]
    heard: list[str] = []

    def own(label: str, shift: float = 0.0) -> Callable[..., torch.Tensor]:
        def hook_of_the_user(acts: torch.Tensor, hook: Any) -> torch.Tensor:
            heard.append(label)
            return acts + shift

        return hook_of_the_user

    point = points(model, [name])[name]
    model.add_hook(name, own("temporary", 0.5))
    model.add_hook(name, own("permanent", -0.25), is_permanent=True)
    model.add_hook(SITES[0], own("elsewhere"))
    kept = list(point.fwd_hooks)
    before = state_of(model)
    heard.clear()
    with ts.steer(model, mixed(model)):
        assert point.fwd_hooks[:2] == kept
        model.add_hook(name, own("added inside"))
        logits_of(model)
    assert heard == ["elsewhere", "temporary", "permanent", "added inside"]
    assert point.fwd_hooks[:2] == kept
    assert len(point.fwd_hooks) == 3
    point.fwd_hooks.pop().hook.remove()
    assert_same_state(state_of(model), before)


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_reset_hooks_inside_ends_the_steering(kind: str, permanent: bool) -> None:
    model = own_model(kind)
    before = state_of(model)
    kept: list[Any] = []
    with ts.steer(model, mixed(model)):
        assert not torch.equal(logits_of(model), before["logits"])
        model.reset_hooks(including_permanent=permanent)
        assert torch.equal(logits_of(model), before["logits"])
        model.add_hook(SITES[0], lambda acts, hook: kept.append(acts))
    logits_of(model)
    assert len(kept) == 1, "a hook that came after the reset is the user's own, and stays"
    model.reset_hooks()
    assert_same_state(state_of(model), before)


@pytest.mark.parametrize("scope", [ts.everywhere, ts.prompt])
def test_the_listener_of_fwd_hooks_goes_with_them(model: Any, scope: Any) -> None:
    steering = everywhere_at_once(model, scope)
    before = hooks_of(model)
    hooks = steering.fwd_hooks(model)
    # A scope that asks for no position needs nothing on the model; the cache of a bridge is looked
    # at all the same.
    assert (hooks_of(model) == before) == (scope is ts.everywhere and not is_bridge(model))
    with model.hooks(fwd_hooks=hooks):
        logits_of(model)
    del hooks
    assert hooks_of(model) == before


def test_the_listener_goes_when_the_pass_fails(model: Any) -> None:
    def fails(acts: torch.Tensor, hook: Any) -> None:
        raise StopError

    before = hooks_of(model)
    steering = everywhere_at_once(model, ts.prompt)
    with pytest.raises(StopError):
        model.run_with_hooks(TEXTS[0], fwd_hooks=[*steering.fwd_hooks(model), (WATCHED, fails)])
    # The error's traceback holds the frames that hold the hooks; it is let go of above.
    gc.collect()
    assert hooks_of(model) == before


def test_a_failing_intervention_leaves_nothing(model: Any) -> None:
    class Broken(ts.Add):
        def edit(self) -> Any:
            raise StopError

    name = SITES[-1]
    steering = ts.Steering(
        ts.Add(direction(model, SITES[0]), scope=ts.prompt), Broken(direction(model, name))
    )
    before = hooks_of(model)
    with pytest.raises(StopError), ts.steer(model, steering):
        pytest.fail("the block must not begin")
    assert hooks_of(model) == before
    with pytest.raises(StopError):
        steering.fwd_hooks(model)
    gc.collect()
    assert hooks_of(model) == before
