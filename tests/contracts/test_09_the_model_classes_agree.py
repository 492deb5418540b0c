"""Contract 9: on the same weights the model classes agree, steered too, at every hook point."""

from typing import Any

import pytest
import torch
from by_hand import logits_by_hand
from making import SCOPES, architecture_of, direction, logits_of, rows_of, shared_model
from models import ARCHITECTURES, KINDS

import tl_steer as ts
from tl_steer.lens.hook_names import resolve
from tl_steer.lens.protocol import SteerableModel, model_info
from tl_steer.lens.sites import VECTOR_SITES

LONGEST = 2
EVERY_SITE = [f"blocks.*.{site}" for site in VECTOR_SITES]


def cache_of(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    tokens = torch.tensor([rows_of(model)[LONGEST]])
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
    return logits, dict(cache.items())


def test_the_model_is_steerable_and_known_by_the_same_name(model: Any) -> None:
    assert isinstance(model, SteerableModel)
    assert model_info(model) == model_info(shared_model("bridge", architecture_of(model)))


def test_logits_agree_with_hugging_face(model: Any) -> None:
    (row,) = rows_of(model, ["the plot was not bad and the acting so bright"])
    expected = logits_by_hand(architecture_of(model), row)
    found = logits_of(model, ["the plot was not bad and the acting so bright"])[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_every_steerable_hook_point_is_there(model: Any) -> None:
    names = resolve(model, EVERY_SITE)
    assert len(names) == len(VECTOR_SITES) * model.cfg.n_layers
    assert set(names) <= set(cache_of(model)[1])


def test_every_hook_point_that_both_have_holds_the_same(model: Any) -> None:
    reference_logits, reference = cache_of(shared_model("bridge", architecture_of(model)))
    logits, cache = cache_of(model)
    torch.testing.assert_close(logits, reference_logits, atol=1e-4, rtol=0)
    common = [name for name in reference if name in cache]
    assert {name.split(".")[-1] for name in common} >= {"hook_embed", "hook_pattern", "hook_z"}
    for name in common:
        found, expected = cache[name], reference[name]
        if name.endswith("hook_attn_scores"):
            # What a token may not look at is −inf here and the least finite number there.
            found, expected = found.tril(), expected.tril()
        torch.testing.assert_close(
            found, expected, atol=1e-4, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("scope", ["everywhere", "Positions(-3, -1)"])
@pytest.mark.parametrize("site", VECTOR_SITES)
def test_an_addition_does_the_same_as_by_hand(model: Any, site: str, scope: str) -> None:
    text = "i loved it so much and the plot"
    (row,) = rows_of(model, [text])
    for layer in (0, model.cfg.n_layers - 1):
        name = f"blocks.{layer}.{site}"
        shift = direction(model, name, layer)
        additions = [(name, 1.5 * shift.vector, SCOPES[scope][1](len(row)))]
        expected = logits_by_hand(architecture_of(model), row, additions)
        changed = (expected - logits_by_hand(architecture_of(model), row)).abs().max() > 1e-3
        # What is added to all keys alike adds one number to a query's scores: softmax removes it,
        # unless positions have rotated the keys.
        invisible = (site, scope, architecture_of(model)) == ("attn.hook_k", "everywhere", "gpt2")
        assert changed != invisible
        with ts.steer(model, ts.Add(shift, 1.5, scope=SCOPES[scope][0])):
            found = logits_of(model, [text])[0]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_direction_of_one_class_serves_the_others(architecture: str) -> None:
    """At the middle of the block too, where a bridge passes a returned edit to the MLP alone."""
    add = ts.Add(direction(shared_model("bridge", architecture), "blocks.1.hook_resid_mid"), 2.0)
    steered = []
    for kind in KINDS:
        model = shared_model(kind, architecture)
        with ts.steer(model, add), torch.no_grad():
            tokens = torch.tensor([rows_of(model)[LONGEST]])
            _, cache = model.run_with_cache(tokens)
            steered.append(torch.stack([cache[name] for name in resolve(model, EVERY_SITE[:5])]))
    assert len(steered) == len(KINDS)
    for found in steered[1:]:
        torch.testing.assert_close(found, steered[0], atol=1e-4, rtol=1e-4)
