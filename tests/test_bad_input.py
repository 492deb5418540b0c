"""Bad input: each a SteerError that says what came, what fits and what to do; nothing is attached.

Each is refused before the model runs, except what only a batch can tell.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from by_hand import plain_model
from making import (
    MODELS,
    SITES,
    TEXTS,
    as_users_run_it,
    direction,
    hooks_of,
    logits_of,
    own_model,
    shared_model,
)
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.protocol import model_info

SITE = SITES[2]


def at(model: Any, hook_name: str) -> ts.Direction:
    """A direction that claims to be from a hook point, whether there is one or not."""
    origin = Provenance(model_info(model), "made up")
    return ts.Direction(torch.ones(model.cfg.d_model), hook_name, 1.0, origin)


def wide(model: Any) -> ts.Direction:
    origin = Provenance(model_info(model), "made up")
    return ts.Direction(torch.randn(1), SITE, 1.0, origin)


@pytest.fixture(autouse=True)
def _our_own_checks() -> Iterator[None]:
    with as_users_run_it():
        yield


Make = Callable[[Any], Any]
REFUSED: dict[str, tuple[Make, type[SteerError], tuple[str, ...]]] = {
    "a layer too far": (
        lambda m: ts.Add(at(m, "blocks.31.hook_mlp_out")),
        HookNameError,
        ("blocks.31.hook_mlp_out", "this model has blocks 0 to", '"blocks.*.hook_mlp_out"'),
    ),
    "a layer too far, asked for": (
        lambda m: ts.Add(direction(m, SITE), at="blocks.31.hook_resid_post"),
        HookNameError,
        ("blocks.31.hook_resid_post", "this model has blocks 0 to"),
    ),
    "a site that is none": (
        lambda m: ts.Add(direction(m, SITE), at="blocks.1.hook_nonsense"),
        HookNameError,
        ("blocks.1.hook_nonsense", "Names look like", "hook_resid_post"),
    ),
    "no hook name": (
        lambda m: ts.Add(at(m, "the seventh layer")),
        HookNameError,
        ("the seventh layer", "Names look like"),
    ),
    "a pattern": (
        lambda m: ts.Add(at(m, "blocks.*.hook_resid_post")),
        HookNameError,
        ("blocks.*.hook_resid_post", "expected one hook point", '"blocks.7.hook_resid_post"'),
    ),
    "a pattern, asked for": (
        lambda m: ts.Add(direction(m, SITE), at="blocks.{0..2}.hook_resid_post"),
        HookNameError,
        ("blocks.{0..2}.hook_resid_post", "expected one hook point"),
    ),
    "one number, which would be added everywhere": (
        lambda m: ts.Add(wide(m)),
        MismatchError,
        (SITE, "has 32 numbers a token", "has 1"),
    ),
    "heads where there are none": (
        lambda m: ts.Add(direction(m, "blocks.1.attn.hook_z"), at=SITE),
        MismatchError,
        ("has 32 numbers", "has 4 × 8"),
    ),
    "directions of two shapes": (
        lambda m: ts.Add([direction(m, SITE), direction(m, "blocks.1.attn.hook_z")], at=SITE),
        MismatchError,
        ("different shapes",),
    ),
    "directions of two widths": (
        lambda m: ts.Add([direction(m, SITE), wide(m)]),
        MismatchError,
        ("different shapes",),
    ),
    "directions of two hook points": (
        lambda m: ts.Add([direction(m, SITES[0]), direction(m, SITE)]),
        MismatchError,
        (SITES[0], SITE, "at="),
    ),
    "no direction": (lambda m: ts.Add([]), MismatchError, ("at least one direction, got none",)),
    "a tensor for a direction": (
        lambda m: ts.Add([torch.ones(32)]),
        MismatchError,
        ("item 0 is a tensor of numbers, shape (32,)", "Direction.of(vector, at=15, model=model)"),
    ),
    "strength NaN": (
        lambda m: ts.Add(direction(m, SITE), float("nan")),
        NonFiniteError,
        ("Add(strength=nan)", "not finite"),
    ),
    "strength infinite in a row": (
        lambda m: ts.Add(direction(m, SITE), [1.0, float("inf")]),
        NonFiniteError,
        (SITE, "inf", "not finite"),
    ),
    "a strength that a direction makes infinite": (
        lambda m: ts.Add(direction(m, SITE), 3e38),
        NonFiniteError,
        (SITE, "3e+38", "is beyond float32", "Lower the strength"),
    ),
    "no strength": (
        lambda m: ts.Add(direction(m, SITE), []),
        MismatchError,
        ("one number as the strength, or one for each row", "[]"),
    ),
    "strengths in two dimensions": (
        lambda m: ts.Add(direction(m, SITE), torch.ones(2, 2)),
        MismatchError,
        ("one number as the strength, or one for each row",),
    ),
    "more strengths than directions": (
        lambda m: ts.Add([direction(m, SITE), direction(m, SITE, 1)], [1.0, 2.0, 3.0]),
        MismatchError,
        ("2 directions and 3 strengths", "one of each for every row"),
    ),
    "rows that cannot be one batch": (
        lambda m: ts.Steering(
            ts.Add(direction(m, SITE), [1.0, 2.0]), ts.Add(direction(m, SITE), [1.0, 2.0, 3.0])
        ),
        MismatchError,
        ("cannot act on one batch", "2", "3"),
    ),
    "a slice with a step": (
        lambda m: ts.Add(direction(m, SITE), scope=slice(0, 4, 2)),
        SteerError,
        ("slice(0, 4, 2)", "takes no step"),
    ),
    "no intervention": (
        lambda m: ts.Steering(direction(m, SITE)),
        SteerError,
        ("expected an intervention", "got a Direction", "Add(direction, dose=0.2)"),
    ),
    "an unknown switch": (
        lambda m: ts.Steering(joy=ts.Add(direction(m, SITE))).off("sorrow"),
        SteerError,
        ("'sorrow'", "joy"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_before_the_model_runs(what: str, kind: str) -> None:
    make, error, says = REFUSED[what]
    model = shared_model(kind, "llama")
    before = hooks_of(model)
    with pytest.raises(error) as refused:
        ts.steer(model, make(model))
    for part in says:
        assert part in str(refused.value)
    assert hooks_of(model) == before
    for way in (by_hooks, by_generate):
        with pytest.raises(error):
            way(model, make)
        assert hooks_of(model) == before


def by_hooks(model: Any, make: Make) -> None:
    made = make(model)
    (made if isinstance(made, ts.Steering) else ts.Steering(made)).fwd_hooks(model)


def by_generate(model: Any, make: Make) -> None:
    made = make(model)
    steering = made if isinstance(made, ts.Steering) else ts.Steering(made)
    ts.generate(model, "a movie", steering, progress=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_direction_of_another_model(kind: str) -> None:
    model = shared_model(kind, "llama")
    stranger = ts.Add(direction(shared_model(kind, "gpt2"), SITE))
    with pytest.raises(MismatchError) as refused:
        ts.steer(model, stranger)
    for part in ("name is 'small-gpt2', not 'small-llama'", "n_layers is 3, not 4", "adopt(model)"):
        assert part in str(refused.value)
    adopted = direction(shared_model(kind, "gpt2"), SITE).adopt(model)
    assert "read from small-gpt2" in adopted.provenance.method
    with ts.steer(model, ts.Add(adopted)):
        logits_of(model)
    with pytest.raises(MismatchError, match="numbers a token"):
        wide(model).adopt(model)


def processed_models() -> list[tuple[str, Any]]:
    """GPT-2, with TransformerLens' usual processing of its weights."""
    bridge = small_model("bridge", "gpt2")
    bridge.enable_compatibility_mode()
    found = [("weights centred", bridge)]
    if "hooked" in KINDS:
        hooked = small_model("hooked", "gpt2")
        hooked.load_and_process_state_dict(hooked.state_dict())
        found.append(("layer norm folded, weights centred", hooked))
    return found


def test_a_direction_of_other_weight_processing() -> None:
    raw = [shared_model(kind, "gpt2") for kind in KINDS]
    assert {model_info(model).processing for model in raw} == {"raw"}
    for processing, model in processed_models():
        assert processing in model_info(model).processing
        with pytest.raises(MismatchError) as refused:
            ts.steer(model, ts.Add(direction(raw[0], SITE)))
        for part in (SITE, "processing is 'raw', not ", processing, "Read it again on this one"):
            assert part in str(refused.value)
        for each in raw:
            with pytest.raises(MismatchError, match=r"processing is '.*', not 'raw'"):
                ts.steer(each, ts.Add(direction(model, SITE)))


def test_what_is_no_transformer_lens_model() -> None:
    plain = plain_model("llama")
    add = ts.Add(direction(shared_model("bridge", "llama"), SITE))
    with pytest.raises(SteerError) as refused:
        ts.steer(plain, add)
    assert "expected a TransformerLens model, got a LlamaForCausalLM" in str(refused.value)
    assert "TransformerBridge.boot_transformers(" in str(refused.value)
    assert not plain._forward_pre_hooks


BAD_SCOPES: dict[str, Callable[[Any], Any]] = {
    "the wrong shape": lambda context: context.real[:, :1].expand(-1, 7),
    "numbers": lambda context: context.positions,
    "nothing": lambda context: None,
    "a list": lambda context: context.real.tolist(),
}


@pytest.mark.parametrize("scope", BAD_SCOPES)
@pytest.mark.parametrize(("kind", "architecture"), MODELS)
def test_a_scope_that_returns_no_mask(kind: str, architecture: str, scope: str) -> None:
    model = shared_model(kind, architecture)
    before = hooks_of(model)
    add = ts.Add(direction(model, SITE), scope=BAD_SCOPES[scope])
    with ts.steer(model, add), pytest.raises(SteerError) as refused:
        logits_of(model)
    for part in (SITE, "the scope", "a bool mask of shape (3, 8)", "(batch, position)"):
        assert part in str(refused.value)
    assert hooks_of(model) == before


def test_rows_of_the_wrong_number() -> None:
    model = own_model("bridge")
    add = ts.Add(direction(model, SITE), [1.0, 2.0])
    before = hooks_of(model)
    with pytest.raises(MismatchError) as refused:
        ts.generate(model, TEXTS, ts.Steering(add), progress=False)
    for part in ("settings for 2 rows", "3 prompts", "one for each prompt", "one for all"):
        assert part in str(refused.value)
    with ts.steer(model, add), pytest.raises(MismatchError, match="with a batch of 3"):
        logits_of(model)
    with pytest.raises(MismatchError, match="2 prompt lengths came with a batch of 3"):
        steer_with_lengths(model, [1, 2])
    assert hooks_of(model) == before


def steer_with_lengths(model: Any, lengths: list[int]) -> None:
    with ts.steer(model, ts.Add(direction(model, SITE), scope=ts.prompt), prompt_lengths=lengths):
        logits_of(model)
