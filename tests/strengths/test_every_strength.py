"""What holds for every strength: no cache, no batch and no padding changes it."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from making import (
    TEXTS,
    as_users_run_it,
    batch_of,
    direction,
    generated_by_model,
    greedy,
    logits_of,
    shared_model,
)
from models import KINDS
from no_waiting import NoWaiting
from passes import steps, whole
from strengths_of import PROBED, SITE, STRENGTHS, as_needed, ellipsoid, hold

import tl_steer as ts
from tl_steer.lens.context import Context
from tl_steer.lens.parts import reads_of
from tl_steer.strengths._dose import Dose
from tl_steer.strengths._hold_projection import HoldProjection
from tl_steer.strengths._in_distribution import WithinDistribution
from tl_steer.strengths._multiply import Multiply
from tl_steer.strengths._schedules import (
    ByIndex,
    ExponentialDecay,
    FirstTokens,
    LinearDecay,
    WarmUp,
)

STEPS = 5


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    """Each model class; no strength looks at the architecture."""
    return shared_model(request.param, "llama")


NOTHING: dict[str, Callable[[Any], Any]] = {
    "FirstTokens": lambda model: FirstTokens(2, 0.0),
    "no tokens": lambda model: FirstTokens(0, 2.0, on_prompt=False),
    "LinearDecay": lambda model: LinearDecay(3, 0.0),
    "ExponentialDecay": lambda model: ExponentialDecay(3, 0.0),
    "WarmUp": lambda model: WarmUp(3, 0.0),
    "ByIndex": lambda model: ByIndex(lambda i: 0.0),
    "Dose": lambda model: Dose(direction(model, SITE), 0.0),
    "Multiply": lambda model: Multiply(0.0, Dose(direction(model, SITE), 0.5)),
    "HoldProjection": lambda model: hold(model, at_most=0.0),
    "HoldProjection without gain": lambda model: hold(model, gain=0.0),
    "WithinDistribution": lambda model: WithinDistribution(
        direction(model, SITE), ellipsoid(model), 0.0
    ),
    "ProbeGated": lambda model: as_needed(model, 0.0),
}


@pytest.mark.parametrize("name", STRENGTHS)
def test_the_cache_does_not_matter(model: Any, name: str) -> None:
    """Neither to the text nor to what each token gets."""
    found = {}
    for cached in (True, False):
        spy = Spy(STRENGTHS[name](model))
        with ts.steer(model, ts.Add(direction(model, SITE), spy)):
            tokens = generated_by_model(model, steps=STEPS, use_past_kv_cache=cached)
        found[cached] = tokens, spy.seen
    assert found[True][0] == found[False][0]
    together = torch.cat(found[True][1], dim=1)
    # Without a cache, the last pass is over all there is.
    torch.testing.assert_close(together, found[False][1][-1], atol=2e-4, rtol=2e-4)
    assert together.abs().max() > 0.01, "it does nothing here"
    assert len(together.unique()) > 1, "it is a plain number here"


@pytest.mark.parametrize("name", STRENGTHS)
def test_the_batch_does_not_matter(model: Any, name: str) -> None:
    strength = STRENGTHS[name](model)
    steering = ts.Steering(ts.Add(direction(model, SITE), strength))
    together = greedy(model, TEXTS, steering, steps=STEPS).frame
    with ts.steer(model, steering):
        assert generated_by_model(model, steps=STEPS) == together["tokens"].tolist()
    for row, text in enumerate(TEXTS):
        alone = greedy(model, text, steering, steps=STEPS).frame
        assert together["tokens"][row] == alone["tokens"][0]
        assert together["log_probs"][row] == pytest.approx(alone["log_probs"][0], abs=2e-4)


@pytest.mark.parametrize("name", STRENGTHS)
def test_padding_on_the_right_is_as_good(model: Any, name: str) -> None:
    steering = ts.Steering(ts.Add(direction(model, SITE), STRENGTHS[name](model)))
    left, right = batch_of(model, side="left").real, batch_of(model, side="right").real
    with ts.steer(model, steering, prompt_lengths=[3, 1, 4]):
        found = {side: logits_of(model, side=side) for side in ("left", "right")}
    for row in range(len(TEXTS)):
        torch.testing.assert_close(
            found["left"][row][left[row]], found["right"][row][right[row]], atol=2e-4, rtol=0
        )


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_asked_for_is_nothing_done(model: Any, name: str) -> None:
    plain = logits_of(model)
    with ts.steer(model, ts.Add(direction(model, SITE), NOTHING[name](model))):
        assert torch.equal(logits_of(model), plain)


@pytest.mark.parametrize("name", ["Multiply", "ProbeGated"])
def test_rows_are_their_own(model: Any, name: str) -> None:
    made = {
        "Multiply": lambda numbers: Multiply(numbers, LinearDecay(3)),
        "ProbeGated": lambda numbers: as_needed(model, numbers),
    }[name]
    numbers = [2.0, 0.0, -1.0]
    steering = ts.Steering(ts.Add(direction(model, SITE), made(numbers)))
    together = greedy(model, TEXTS, steering).frame
    for row, text in enumerate(TEXTS):
        one = ts.Steering(ts.Add(direction(model, SITE), made(numbers[row])))
        alone = greedy(model, text, one).frame
        assert together["tokens"][row] == alone["tokens"][0]
        assert together["log_probs"][row] == pytest.approx(alone["log_probs"][0], abs=2e-4)


def test_heads_are_flattened(model: Any) -> None:
    """At ``attn.hook_z`` a direction has a row for each head; norms and projections are of all."""
    site = "blocks.1.attn.hook_z"
    along = direction(model, site)
    holding = HoldProjection(along, 2.0)
    dosed = Dose(along, 0.25)
    for strength in (holding, dosed):
        batch = batch_of(model)
        call = {"attention_mask": batch.real.long()}
        with torch.no_grad():
            _, before = model.run_with_cache(batch.tokens, names_filter=[site], **call)
            with ts.steer(model, ts.Add(along, strength)):
                _, after = model.run_with_cache(batch.tokens, names_filter=[site], **call)
        one, other = before[site][batch.real], after[site][batch.real]
        if strength is holding:
            found = (other * along.unit.vector).sum((1, 2))
            torch.testing.assert_close(found, torch.full_like(found, 2.0), atol=1e-4, rtol=0)
        else:
            found = (other - one).flatten(1).norm(dim=1) / one.flatten(1).norm(dim=1)
            torch.testing.assert_close(found, torch.full_like(found, 0.25), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", STRENGTHS)
def test_no_strength_waits_for_the_device(model: Any, name: str) -> None:
    """On a GPU, reading a number back, or a mask as indices, stops until all is computed."""
    strength = STRENGTHS[name](model)
    generator = torch.Generator().manual_seed(0)
    for number, context in enumerate([*steps([4, 2], 3), whole([4, 2], 3)]):
        acts = torch.randn(*context.positions.shape, 32, generator=generator)
        context.keep(PROBED, acts)
        # What a strength keeps on the device is copied there once.
        with nullcontext() if number == 0 else NoWaiting(), as_users_run_it():
            strength(acts, context)


class Spy:
    """A strength that keeps what another one says."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.reads = inner, reads_of(inner)
        self.seen: list[torch.Tensor] = []

    def __call__(self, acts: torch.Tensor, context: Context) -> torch.Tensor:
        found: torch.Tensor = self.inner(acts, context)
        self.seen.append(torch.where(context.real, found, 0.0).clone())
        return found
