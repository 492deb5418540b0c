"""Layers by their numbers, sites of every layer, and what is no hook point."""

from typing import Any

import numpy as np
import pytest
import torch
from making import as_users_run_it, shared_model

import tl_steer as ts
from tl_steer.errors import HookNameError
from tl_steer.lens.places import hook_name, hook_names, name_at, picked

STREAM = [f"blocks.{layer}.hook_resid_post" for layer in range(4)]


@pytest.fixture(scope="module")
def llama() -> Any:
    return shared_model("bridge", "llama")


@pytest.mark.parametrize(
    ("at", "names"),
    [
        ("hook_resid_post", STREAM),
        (1, [STREAM[1]]),
        (-1, [STREAM[3]]),
        (np.int64(2), [STREAM[2]]),
        (torch.tensor(0), [STREAM[0]]),
        (range(1, 3), STREAM[1:3]),
        ([-1, 0, "blocks.0.hook_resid_post"], [STREAM[3], STREAM[0]]),
        (["attn.hook_z", 3], [*(f"blocks.{layer}.attn.hook_z" for layer in range(4)), STREAM[3]]),
        ("blocks.{1..2}.hook_resid_post", STREAM[1:3]),
    ],
)
def test_places_are_hook_names(llama: Any, at: Any, names: list[str]) -> None:
    with as_users_run_it():
        assert list(hook_names(llama, at)) == names
        assert list(ts.capture(llama, ["the film"], at=at, progress=False).hook_names) == names


@pytest.mark.parametrize(
    "at", [4, -5, True, 1.5, None, [], [None], "resid", {"a": 1}, b"x", object()]
)
def test_what_is_no_place_is_refused(llama: Any, at: Any) -> None:
    with as_users_run_it(), pytest.raises(HookNameError):
        hook_names(llama, at)


def test_one_place_is_one(llama: Any) -> None:
    assert hook_name(llama, -2, site="attn.hook_z") == "blocks.2.attn.hook_z"
    with pytest.raises(HookNameError, match="means 4 hook points"):
        hook_name(llama, "hook_resid_post")
    with pytest.raises(HookNameError, match="expected one hook point"):
        hook_name(llama, "blocks.*.hook_resid_post")


def test_without_a_model_layers_count_from_the_front() -> None:
    assert name_at(12) == "blocks.12.hook_resid_post"
    assert name_at(-1, n_layers=30) == "blocks.29.hook_resid_post"
    with pytest.raises(HookNameError, match="a model that is not known"):
        name_at(-1)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (STREAM[2], STREAM[2]),
        (2, STREAM[2]),
        (-1, STREAM[3]),
        (slice(1, 3), STREAM[1:3]),
        (slice(None, None, 2), STREAM[::2]),
        (slice(-2, None), STREAM[2:]),
        (slice(2, 99), STREAM[2:]),
    ],
)
def test_what_is_picked(at: Any, found: Any) -> None:
    with as_users_run_it():
        assert picked(STREAM, at, 4, absent="nothing there") == found


@pytest.mark.parametrize(
    ("names", "at", "n_layers", "says"),
    [
        (STREAM[:2], 3, 4, "layer 3: nothing there. Available: blocks.0"),
        (STREAM[:2], -1, 4, "layer -1, which is 3: nothing there"),
        (STREAM[:2], slice(2, 4), 4, "none of them is there"),
        (STREAM[:2], slice("a", None), 4, "layers are numbers"),
        (STREAM[:2], slice(-2, None), 0, "a model that is not known"),
        (STREAM[:2], 1.0, 4, "1.0: nothing there"),
        ([STREAM[1], "blocks.1.hook_mlp_out"], 1, 4, "layer 1 has 2"),
    ],
)
def test_what_cannot_be_picked_is_refused(names: Any, at: Any, n_layers: int, says: str) -> None:
    with as_users_run_it(), pytest.raises(HookNameError) as refused:
        picked(names, at, n_layers, absent="nothing there")
    assert says in str(refused.value)


def test_wherever_one_hook_point_is_asked_for_a_layer_will_do(llama: Any) -> None:
    love = ts.trained.activation_addition(llama, "good film", "bad film", at=1)
    assert {each.hook_name for each in love} == {"blocks.1.hook_resid_pre"}
    there = ts.Direction.of(torch.ones(32), at=1, model=llama, scale=3.0)
    assert ts.Add(there, at=2).hook_name == ts.Ablate(there, at=-2).hook_name == STREAM[2]
    assert ts.Ablate(there, at=0).hook_name == STREAM[0]
    assert ts.robustness.transfer(there, llama, at=-1).hook_name == STREAM[3]
    assert ts.Custom(lambda acts, context: acts, 2).hook_name == STREAM[2]
    assert ts.strengths.AttentionShare(ts.Keywords("film"), [0, 2]).attention.reads == (
        "blocks.0.attn.hook_pattern",
        "blocks.2.attn.hook_pattern",
    )
    scores = ts.interventions.Emphasize(ts.Keywords("film"), 2, ts.interventions.Rescale(2.0))
    assert scores.hook_name == "blocks.2.attn.hook_attn_scores"
    ts.Steering(scores, ts.Add(there, at=3), ts.Custom(lambda acts, context: acts, 1)).check_fits(
        llama
    )


def test_activations_are_looked_up_by_layer(llama: Any) -> None:
    sets = ts.ContrastSet(
        positive=["the good film", "a great movie"], negative=["the bad plot", "a dull end"]
    )
    acts = ts.capture(llama, sets, at=["hook_resid_post", "blocks.1.hook_mlp_out"], progress=False)
    assert torch.equal(acts[-1], acts[STREAM[3]])
    assert torch.equal(acts.positive(2), acts[STREAM[2]][:2])
    assert acts.counts(0) == (2, 2)
    with pytest.raises(HookNameError, match="layer 1 has 2"):
        acts[1]
    with pytest.raises(HookNameError, match="was not captured"):
        acts["blocks.2.hook_mlp_out"]
