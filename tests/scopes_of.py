"""Scopes of every kind, for any model: by place, by text, by condition, by attention."""

from collections.abc import Callable
from typing import Any

from making import SCOPES as PLACES, direction

import tl_steer as ts

READ = "blocks.0.hook_resid_post"
PATTERN = "blocks.1.attn.hook_pattern"
COMMON = ts.Keywords("the", "a", "film", "movie", "is", "was", "good", "bad", "loved", "plot", "it")


def gate(model: Any) -> Any:
    """Fires on some tokens and not on others: the direction is random, and so is its sign."""
    return ts.scopes.ProjectionAbove(direction(model, READ, seed=3), above=0.0)


SCOPES: dict[str, Callable[[Any], Any]] = {
    **{name: (lambda model, scope=scope: scope) for name, (scope, _) in PLACES.items()},
    "keywords": lambda model: COMMON,
    "after keywords": lambda model: COMMON.after(2),
    "expression": lambda model: ts.scopes.Regex(r"[aeiou]\w+"),
    "characters": lambda model: ts.scopes.Characters(3, -2),
    "first sentence": lambda model: ts.scopes.Sentences(0),
    "some generated": lambda model: ts.scopes.NthGenerated(0, 2),
    "latched": lambda model: ts.scopes.Latched(COMMON),
    "condition": gate,
    "similar": lambda model: ts.scopes.CosineAbove(direction(model, READ, seed=4), above=0.0),
    "by the prompt": lambda model: ts.scopes.PerPrompt(gate(model)),
    "from the first": lambda model: ts.scopes.Latched(gate(model)),
    "attends": lambda model: ts.scopes.AttendsTo(COMMON, PATTERN, above=0.3),
    "together": lambda model: ts.scopes.AnyOf(
        ts.scopes.AllOf(COMMON, ts.generated), ts.scopes.Not(gate(model))
    ),
}
"""By name: from a model to a scope."""

BY_TEXT = {
    "keywords", "after keywords", "expression", "characters", "first sentence", "latched",
    "attends", "together",
}  # fmt: skip
"""Those that wait for the device: text is decoded on the CPU, once in a pass."""
