"""Maps fitted one after the other, against captures and numpy by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from activations_of import few_dimensions
from making import assert_same_state, own_model, shared_model, state_of
from models import KINDS

import tl_steer as ts
from tl_steer.directions import TransportMap, linear_transport
from tl_steer.errors import DataError, HookNameError
from tl_steer.interventions import ApplyTransport
from tl_steer.trained._incremental_transport import incremental_transport

pytestmark = few_dimensions

GOOD = ("great", "good", "bright", "loved", "music")
BAD = ("awful", "bad", "dull", "hated", "long")
TEXTS = ts.ContrastSet(
    [f"the {one} film was {two} and {one}" for one in GOOD for two in GOOD],
    [f"a {one} movie is {two} but {one} so" for one in BAD for two in BAD[:3]],
    name="words",
)
AT = ("blocks.0.hook_mlp_out", "blocks.1.hook_resid_post", "blocks.2.hook_attn_out")
EVERY: Any = {
    "read": ts.activations.EveryToken(),
    "leave_out": ts.activations.LeaveOut(bos=False, first=False, massive=None),
    "progress": False,
}


def acting(*maps: TransportMap) -> ts.Steering:
    return ts.Steering(*(ApplyTransport(each) for each in maps))


def line(source: torch.Tensor, target: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of every unit, the samples repeated to equal numbers."""
    a = np.sort(np.repeat(source.flatten(1).double().numpy(), len(target), axis=0), axis=0)
    b = np.sort(np.repeat(target.flatten(1).double().numpy(), len(source), axis=0), axis=0)
    slope = ((a - a.mean(0)) * (b - b.mean(0))).sum(0) / ((a - a.mean(0)) ** 2).sum(0)
    return slope, b.mean(0) - slope * a.mean(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target_too", [False, True])
def test_each_is_fitted_while_those_before_it_act(kind: str, target_too: bool) -> None:
    model = shared_model(kind, "llama")
    found = incremental_transport(model, TEXTS, at=AT, target_too=target_too, **EVERY)
    assert tuple(found) == AT
    for number, name in enumerate(AT):
        earlier = acting(*(found[each] for each in AT[:number]))
        with ts.steer(model, earlier):
            source = ts.capture(model, TEXTS.negative, at=name, **EVERY)[name]
            target = ts.capture(model, TEXTS.positive, at=name, **EVERY)[name]
        if not target_too:
            target = ts.capture(model, TEXTS.positive, at=name, **EVERY)[name]
        slope, intercept = line(source, target)
        np.testing.assert_allclose(found[name].slope.flatten(), slope, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[name].intercept.flatten(), intercept, rtol=1e-3, atol=1e-3)
        origin = found[name].direction.provenance
        assert "one after the other" in origin.method
        assert ("both classes" in origin.method) == target_too
        assert (origin.n_positive, origin.n_negative) == (len(target), len(source))
        assert origin.data == "words"


def test_together_they_bring_every_place_to_where_the_target_is() -> None:
    model = shared_model("bridge", "llama")
    gaps = {}
    plain = ts.capture(model, TEXTS, at=AT, **EVERY)
    ways = {
        "one by one": linear_transport(plain),
        "in turn": incremental_transport(model, TEXTS, at=AT, target_too=False, **EVERY),
    }
    for way, maps in ways.items():
        with ts.steer(model, acting(*maps.values())):
            after = ts.capture(model, TEXTS.negative, at=AT, **EVERY)
        gaps[way] = [
            float((after[name].mean(0) - plain.positive(name).mean(0)).norm()) for name in AT
        ]
    assert max(gaps["in turn"]) < 1e-3
    assert min(gaps["one by one"][1:]) > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_is_that_of_the_unsteered_model(kind: str) -> None:
    model = shared_model(kind, "gpt2")
    names = ["blocks.2.hook_resid_post", "blocks.0.hook_resid_post", "blocks.0.attn.hook_z"]
    found = incremental_transport(model, TEXTS, at=names, progress=False)
    # In the order of the forward pass, however they are asked for.
    assert tuple(found) == (names[2], names[1], names[0])
    plain = linear_transport(ts.capture(model, TEXTS, at=names, progress=False))
    torch.testing.assert_close(found[names[2]].slope, plain[names[2]].slope, rtol=1e-3, atol=1e-3)
    gap = (found[names[0]].slope - plain[names[0]].slope).abs().max()
    assert float(gap) > 0.01


def test_support_and_scope_are_those_that_were_asked_for() -> None:
    model = shared_model("bridge", "llama")
    options: Any = {"at": AT[:2], "support": None, **EVERY}
    found = incremental_transport(model, TEXTS, scope=slice(2, None), **options)
    assert found[AT[0]].high.isinf().all()
    with ts.steer(model, ApplyTransport(found[AT[0]], scope=slice(2, None))):
        source = ts.capture(model, TEXTS.negative, at=AT[1], **EVERY)[AT[1]]
        target = ts.capture(model, TEXTS.positive, at=AT[1], **EVERY)[AT[1]]
    slope, _ = line(source, target)
    np.testing.assert_allclose(found[AT[1]].slope, slope, rtol=1e-3, atol=1e-4)
    everywhere = incremental_transport(model, TEXTS, **options)
    assert not torch.equal(everywhere[AT[1]].slope, found[AT[1]].slope)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stays(kind: str) -> None:
    model = own_model(kind)
    before = state_of(model)
    incremental_transport(model, TEXTS, at=AT[:2], progress=False)
    assert_same_state(state_of(model), before)


def test_a_bar_counts_hook_points(capsys: pytest.CaptureFixture[str]) -> None:
    model = shared_model("bridge", "llama")
    incremental_transport(model, TEXTS, at=AT[:2])
    assert "transport: 100%" in capsys.readouterr().err
    incremental_transport(model, TEXTS, at=AT[:2], progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("target_too", [False, True])
def test_what_cannot_be_fitted_is_refused(target_too: bool) -> None:
    model = shared_model("bridge", "llama")
    with pytest.raises(HookNameError, match="blocks 0 to 3"):
        incremental_transport(model, TEXTS, at="blocks.7.hook_mlp_out", target_too=target_too)
    few = ts.ContrastSet(["the good film", "a great movie"], ["a bad film"])
    with pytest.raises(DataError, match="got 2 positive and 1 negative"):
        incremental_transport(model, few, at=AT[0], target_too=target_too, progress=False)
