"""Every strength that is a function, at one hook point of any model, made of random parts."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from activations_of import activations_of
from making import batch_of, direction
from models import WORDS

import tl_steer as ts
from tl_steer.lens.protocol import model_info

SITE = "blocks.1.hook_resid_post"
PROBED = "blocks.0.hook_resid_post"


@cache
def vectors_at(model: Any, name: str) -> torch.Tensor:
    """What stands at a hook point for 80 tokens of eight texts."""
    texts = [" ".join(WORDS[start : start + 10]) for start in range(0, 24, 3)]
    with torch.no_grad():
        _, kept = model.run_with_cache(batch_of(model, texts).tokens, names_filter=[name])
    found: torch.Tensor = kept[name].flatten(0, 1).clone()
    return found


def ellipsoid(model: Any) -> ts.strengths.Ellipsoid:
    half = vectors_at(model, SITE).split(40)
    acts = activations_of(half[0], half[1], at=SITE, model=model_info(model), read="EveryToken()")
    return ts.strengths.Ellipsoid.fit(acts, SITE, components=4, level=0.8, negative=True)


def as_needed(model: Any, strength: Any, **changes: Any) -> ts.strengths.ProbeGated:
    probe = direction(model, PROBED, seed=7)
    means = (vectors_at(model, PROBED) @ probe.unit.vector).view(8, 10).mean(1)
    spread = float(means.std())
    low, high = float(means.mean()) - spread, float(means.mean()) + spread
    return ts.strengths.ProbeGated(strength, probe, full_at=low, none_at=high, **changes)


def hold(model: Any, **changes: Any) -> ts.strengths.HoldProjection:
    return ts.strengths.HoldProjection(direction(model, SITE), 6.0, **changes)


STRENGTHS: dict[str, Callable[[Any], Any]] = {
    "FirstTokens": lambda model: ts.strengths.FirstTokens(2, 1.5),
    "FirstTokens, not the prompt": lambda model: ts.strengths.FirstTokens(2, 1.5, on_prompt=False),
    "LinearDecay": lambda model: ts.strengths.LinearDecay(3, 1.5),
    "ExponentialDecay": lambda model: ts.strengths.ExponentialDecay(1.5, 1.5),
    "WarmUp": lambda model: ts.strengths.WarmUp(3, 1.5),
    "ByIndex": lambda model: ts.strengths.ByIndex(lambda i: 1.5 if i % 2 else -0.5),
    "Dose": lambda model: ts.strengths.Dose(direction(model, SITE), 0.5),
    "Multiply": lambda model: ts.strengths.Multiply(
        2.0, ts.strengths.LinearDecay(4), ts.strengths.Dose(direction(model, SITE), 0.5)
    ),
    "HoldProjection": lambda model: hold(model),
    "HoldProjection, PI": lambda model: hold(model, gain=0.5, integral=0.2, windup=9.0, at_most=2),
    "HoldProjection, PI over all": lambda model: hold(
        model, gain=0.3, integral=0.1, over=ts.everywhere
    ),
    "WithinDistribution": lambda model: ts.strengths.WithinDistribution(
        direction(model, SITE), ellipsoid(model), 2.0
    ),
    "ProbeGated": lambda model: as_needed(model, 1.5),
    "ProbeGated, of what is written": lambda model: as_needed(model, 1.5, over=ts.generated),
    "ProbeGated, of a function": lambda model: as_needed(
        model, ts.strengths.ExponentialDecay(2, 1.5)
    ),
}
