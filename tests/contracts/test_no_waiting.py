"""Nothing in a hook waits for the device, but what has to look at text."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from interventions_of import AT, INTERVENTIONS, ON_HEADS, Z
from making import as_users_run_it, batch_of, direction, shared_model
from models import KINDS
from no_waiting import NoWaiting
from scopes_of import BY_TEXT, PATTERN, SCOPES

import tl_steer as ts

EVERYTHING = {**INTERVENTIONS, **ON_HEADS}


@pytest.fixture(params=KINDS)
def kind_of_model(request: pytest.FixtureRequest) -> Any:
    return shared_model(request.param, "llama")


def run_guarded(model: Any, steering: ts.Steering) -> int:
    """Run a model twice with hooks, and the second time let none of them wait."""
    batch = batch_of(model)
    call: dict[str, Any] = {"attention_mask": batch.real.long()}
    hooks = steering.fwd_hooks(model)
    ran = 0

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        def in_the_mode(acts: torch.Tensor, hook: Any) -> Any:
            nonlocal ran
            ran += 1
            with NoWaiting():
                return function(acts, hook=hook)

        return in_the_mode

    with torch.no_grad(), as_users_run_it():
        # What is kept on the device is copied there in the first pass.
        model.run_with_hooks(batch.tokens, fwd_hooks=hooks, **call)
        strict = [(name, guarded(function)) for name, function in hooks]
        model.run_with_hooks(batch.tokens, fwd_hooks=strict, **call)
    return ran


@pytest.mark.parametrize("what", EVERYTHING)
def test_no_intervention_waits(kind_of_model: Any, what: str) -> None:
    at = Z if what in ON_HEADS else AT
    steering = ts.Steering(EVERYTHING[what](kind_of_model, at, [0.4, 0.0, 0.2]))
    assert run_guarded(kind_of_model, steering) == 1


@pytest.mark.parametrize("name", sorted(set(SCOPES) - BY_TEXT))
def test_no_scope_waits_that_does_not_read_text(kind_of_model: Any, name: str) -> None:
    add = ts.Add(direction(kind_of_model, AT), 0.5, scope=SCOPES[name](kind_of_model))
    assert run_guarded(kind_of_model, ts.Steering(add)) >= 1


def test_attention_to_positions_does_not_wait(kind_of_model: Any) -> None:
    keys = ts.Positions(1, 3)
    weighted = ts.Add(
        direction(kind_of_model, AT), ts.strengths.AttentionShare(keys, PATTERN, factor=2.0)
    )
    scores = "blocks.1.attn.hook_attn_scores"
    assert run_guarded(kind_of_model, ts.Steering(weighted)) == 2
    assert (
        run_guarded(
            kind_of_model,
            ts.Steering(ts.interventions.Emphasize(keys, scores, ts.interventions.Rescale(3))),
        )
        == 1
    )


@pytest.mark.parametrize(
    "wait",
    [
        lambda context: context.real & bool(context.real.all()),
        lambda context: context.real & (context.real.sum().item() > 0),
        lambda context: context.real.index_put((context.real,), torch.tensor(True)),
    ],
    ids=["branch", "number", "mask as index"],
)
def test_the_guard_sees_what_waits(kind_of_model: Any, wait: Any) -> None:
    """The tests above are able to fail. ``tolist`` only a GPU can tell of: see tests/cuda."""
    add = ts.Add(direction(kind_of_model, AT), 0.5, scope=wait)
    with pytest.raises(AssertionError, match="waits for the device"):
        run_guarded(kind_of_model, ts.Steering(add))
