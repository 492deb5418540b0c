"""Contracts 1 to 6 over interventions, scopes and strengths together."""

from random import Random
from typing import Any

import pytest
import torch
from interventions_of import INTERVENTIONS, ON_HEADS
from making import hooks_of, logits_of, the_same_with_and_without_cache_and_batch
from scopes_of import SCOPES
from strengths_of import SITE, STRENGTHS

import tl_steer as ts
from tl_steer.interventions import with_strength

Z = "blocks.2.attn.hook_z"
NUMBERS: dict[str, Any] = {"a number": 0.6, "rows": [0.6, -0.4, 0.3]}
AT_HEADS = set(ON_HEADS)
PLACED = {"Dose", "Multiply", "HoldProjection", "WithinDistribution"}
"""Strengths that belong to the hook point of their direction."""

Combination = tuple[str, str, str]
"""Of an intervention, a scope and a strength."""


@pytest.fixture(params=range(6))
def combination(request: pytest.FixtureRequest) -> Combination:
    """Others for every test and every model, and the same in every run."""
    random = Random(request.node.name)
    what, scope, strength = (
        random.choice(sorted(several))
        for several in ({**INTERVENTIONS, **ON_HEADS}, SCOPES, {**NUMBERS, **STRENGTHS})
    )
    return what, scope, strength


def made(model: Any, combination: Combination) -> Any:
    """The combination, as far as its strength and its hook point go together."""
    what, scope, strength = combination
    at_heads = what in AT_HEADS
    if at_heads and strength.split(",")[0] in PLACED:
        strength = "LinearDecay"
    given = NUMBERS[strength] if strength in NUMBERS else STRENGTHS[strength](model)
    make = {**INTERVENTIONS, **ON_HEADS}[what]
    return make(model, Z if at_heads else SITE, given, scope=SCOPES[scope](model))


def test_neither_cache_nor_batch_matter(model: Any, combination: Combination) -> None:
    """Contracts 1, 3, 4 and 5."""
    before = hooks_of(model)
    steering = ts.Steering(made(model, combination))
    the_same_with_and_without_cache_and_batch(model, steering)
    assert hooks_of(model) == before


def test_zero_and_off_are_nothing(model: Any, combination: Combination) -> None:
    """Contracts 2 and 6."""
    plain = logits_of(model)
    intervention = made(model, combination)
    for zero in (0.0, lambda acts, context: torch.zeros(context.positions.shape)):
        with ts.steer(model, with_strength(intervention, zero)):
            assert torch.equal(logits_of(model), plain)
    with ts.steer(model, ts.Steering(it=intervention).off("it")):
        assert torch.equal(logits_of(model), plain)


def test_beside_another_one_the_order_is_what_is_written(
    model: Any, combination: Combination
) -> None:
    """Contract 6: leaving one out is switching it off."""
    one = made(model, combination)
    other = made(model, ("ablate", "prompt", "a number"))
    with ts.steer(model, one, other):
        together = logits_of(model)
    steering = ts.Steering(one=one, other=other)
    with ts.steer(model, steering.off("other")):
        alone = logits_of(model)
    with ts.steer(model, one):
        assert torch.equal(logits_of(model), alone)
    with ts.steer(model, steering) as live:
        assert torch.equal(logits_of(model), together)
        live.off("other")
        assert torch.equal(logits_of(model), alone)


def test_strength_and_hook_point_that_do_not_belong_together(model: Any) -> None:
    """The combinations that are no combinations."""
    for name in ("HoldProjection", "WithinDistribution"):
        wrong = ts.Custom(lambda acts, context: acts, Z, STRENGTHS[name](model))
        with pytest.raises(ts.SteerError, match="hook_z"):
            ts.steer(model, wrong)
