"""Keys of what is stored: the same for the same settings, wherever their classes move to."""

import dataclasses
import importlib
import json
import pkgutil
import re
from typing import Any

import pytest
import torch
from making import direction, shared_model
from scopes_of import SCOPES

import tl_steer as ts
from tl_steer.experiments._cell import PromptSet
from tl_steer.experiments._content import content, digest
from tl_steer.files.stored_names import stored_as, stored_name

KEYS: dict[str, tuple[Any, str]] = {
    "sampling": (
        ts.Sampling(4, samples=2, temperature=0.7, top_p=0.9, seed=3),
        "9411c2010b4c017f557f",
    ),
    "prompts": (PromptSet("films", ("a", "b"), ts.Chat("Be kind.")), "c5daee7cf168d75b84c0"),
    "positions": (ts.Positions(1, -2), "0f093bb71a176b6dfe8b"),
    "functions": (
        (ts.everywhere, ts.prompt, ts.generated, ts.last_prompt_token),
        "9d52ca2cbd7c3907206f",
    ),
    "scopes": (
        ts.scopes.AnyOf(
            ts.scopes.AllOf(ts.Positions(2), ts.generated), ts.scopes.Not(ts.scopes.NthGenerated(0))
        ),
        "dd3a4a9212f6e0b30b7f",
    ),
    "tensors": (torch.arange(3.0), "87c8497fec6e91f027b0"),
}
"""Keys that were given out. Where one changes, no stored result is found again: give the class
that was renamed its old name with `stored_as`, and do not touch these."""


@pytest.mark.parametrize("name", KEYS)
def test_keys_stay(name: str) -> None:
    value, key = KEYS[name]
    assert digest(value) == key


def test_scopes_have_declared_names() -> None:
    """Nothing in the content of ours tells where a class stands."""
    model = shared_model("bridge", "llama")
    for name, make in SCOPES.items():
        scope = make(model)
        if not isinstance(scope, slice):
            assert "tl_steer." not in json.dumps(content(scope)), name
    joy = direction(model, "blocks.1.hook_resid_post")
    assert "tl_steer." not in json.dumps(content((joy, joy.provenance, ts.Sampling())))


def test_each_declared_name_is_of_one_thing() -> None:
    owners: dict[str, Any] = {}
    for module in pkgutil.walk_packages(ts.__path__, "tl_steer."):
        if module.name.endswith("__main__"):
            continue
        for thing in vars(importlib.import_module(module.name)).values():
            name = stored_name(thing) if hasattr(thing, "__qualname__") else None
            if name is not None:
                assert owners.setdefault(name, thing) is thing
    assert len(owners) > 20


def test_a_class_that_moves_keeps_its_key() -> None:
    @stored_as("Positions")
    @dataclasses.dataclass(frozen=True)
    class Elsewhere:
        start: int = 0
        stop: int | None = None

    assert digest(Elsewhere(1, -2)) == digest(ts.Positions(1, -2))

    class Inherits(Elsewhere):
        """Of another meaning, so of another name."""

    with pytest.raises(ts.SteerError, match="cannot be told from others"):
        digest(Inherits(1, -2))


def test_regular_expressions_by_what_they_say() -> None:
    several = [re.compile("a"), re.compile("a", re.IGNORECASE), re.compile("b")]
    keys = {digest(ts.scopes.Regex(each)) for each in several}
    assert len(keys) == 3
    assert digest(ts.scopes.Regex("a")) in keys
