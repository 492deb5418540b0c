"""The plain twin of a bridge: that it is exact, and when it is used."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from making import (
    SCOPES,
    TEXTS,
    as_users_run_it,
    direction,
    everywhere_at_once,
    own_model,
)
from models import ARCHITECTURES
from twins import AT, READ, written

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.lens.paths import host_for
from tl_steer.scopes import AttendsTo, Keywords


@pytest.fixture(params=sorted(ARCHITECTURES))
def bridge(request: pytest.FixtureRequest) -> Any:
    return own_model("bridge", request.param)


def why_not(model: Any, names: Any = ()) -> str:
    with ts.use_path("twin"), pytest.raises(SteerError, match="path='twin'") as caught:
        host_for(model, names)
    assert host_for(model, names) is model
    return str(caught.value)


@pytest.mark.parametrize("scope", SCOPES)
def test_both_paths_write_the_same(bridge: Any, scope: str) -> None:
    steering = everywhere_at_once(bridge, SCOPES[scope][0], 0.7)
    twin, own = (written(bridge, path, steering) for path in ("twin", "bridge"))
    assert (twin.path, own.path) == ("twin", "bridge")
    assert list(twin.frame["tokens"]) == list(own.frame["tokens"])
    torch.testing.assert_close(
        torch.tensor(twin.frame["log_probs"].tolist()),
        torch.tensor(own.frame["log_probs"].tolist()),
        atol=1e-4,
        rtol=0,
    )


def test_both_paths_read_the_same(bridge: Any) -> None:
    twin, own = (
        ts.capture(bridge, TEXTS, at=READ, path=path, progress=False) for path in ("twin", "bridge")
    )
    assert (twin.path, own.path) == ("twin", "bridge")
    for name in own.hook_names:
        torch.testing.assert_close(twin[name], own[name], atol=1e-4, rtol=1e-4)
        assert torch.equal(twin.text_index[name], own.text_index[name])


def test_likelihoods_are_the_same(bridge: Any) -> None:
    steering = everywhere_at_once(bridge, ts.everywhere, 0.7)
    found = []
    for path in ("twin", "bridge"):
        with ts.use_path(path):
            effects = ts.side_effects(bridge, TEXTS, steering)
            found.append((effects.kl, effects.nll, effects.unsteered_nll))
    assert found[0][0].min() > 1e-3
    for twin, own in zip(*found, strict=True):
        torch.testing.assert_close(twin, own, atol=1e-4, rtol=1e-4)


def test_the_twin_is_what_is_used(bridge: Any) -> None:
    assert written(bridge).path == "twin"
    assert ts.capture(bridge, TEXTS, at=AT, progress=False).path == "twin"


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_nothing_above_the_last_layer_runs(bridge: Any, layer: int) -> None:
    layers = int(bridge.cfg.n_layers)
    at = f"blocks.{layer % layers}.hook_resid_post"
    host: Any = host_for(bridge, [at])
    passed: list[str] = []
    handles = [
        module.register_forward_hook(lambda module, args, out, path=path: passed.append(path))
        for path, module in host.plain.module.named_modules()
    ]
    ts.capture(
        bridge, TEXTS, at=at, leave_out=ts.activations.LeaveOut(massive=None), progress=False
    )
    for handle in handles:
        handle.remove()
    assert not any(path.startswith("lm_head") for path in passed)
    assert not any(f".{layer % layers + 1}." in path for path in passed)


def hook_of_the_user(model: Any) -> None:
    model.add_hook(AT, lambda acts, hook: acts + 1)


def hook_of_torch(model: Any) -> None:
    model.original_model.register_forward_hook(lambda module, args, out: out)


def hook_on_a_wrapped_module(model: Any) -> None:
    model.blocks[1].mlp._original_component.register_forward_pre_hook(lambda module, args: None)


def other_forward(model: Any) -> None:
    module = model.blocks[0].attn._original_component
    module.forward = module.forward


def training(model: Any) -> None:
    model.train()
    for module in model.original_model.modules():  # with dropout, training mode is refused
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def compatible(model: Any) -> None:
    model.enable_compatibility_mode(no_processing=True)


def other_module(model: Any) -> None:
    class Louder(torch.nn.Module):
        def __init__(self, within: Any) -> None:
            super().__init__()
            self.within = within

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return self.within(*args, **kwargs) * 1.5

    block = model.blocks[1]._original_component
    name = "post_attention_layernorm" if hasattr(block, "post_attention_layernorm") else "ln_2"
    setattr(block, name, Louder(getattr(block, name)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hook_of_the_user, "hooks sit on a HookPoint"),
        (hook_of_torch, "hooks sit on a "),
        (hook_on_a_wrapped_module, "hooks sit on a "),
        (other_forward, "has been replaced"),
        (training, "training mode"),
        (compatible, "compatibility mode"),
        (other_module, "is no plain"),
    ],
)
def test_the_bridge_runs_where_the_twin_would_not_be_the_same(
    bridge: Any, change: Callable[[Any], None], reason: str
) -> None:
    assert written(bridge).path == "twin"
    change(bridge)
    assert reason in why_not(bridge)
    assert written(bridge).path == "bridge"


def test_inside_a_block_the_bridge_runs(bridge: Any) -> None:
    steering = everywhere_at_once(bridge, ts.everywhere, 2.0)
    with ts.steer(bridge, steering):
        inside = written(bridge)
    assert inside.path == "bridge"
    assert inside.texts == written(bridge, "twin", steering).texts != written(bridge).texts
    assert written(bridge).path == "twin"


def test_attention_is_looked_at_on_the_bridge(bridge: Any) -> None:
    assert "attention itself" in why_not(bridge, ["blocks.1.attn.hook_pattern"])


def test_no_twin_of_other_models() -> None:
    assert "compatibility mode" in why_not(own_model("compatible"))


def test_a_path_that_there_is_not() -> None:
    with (
        as_users_run_it(),
        pytest.raises(SteerError, match="'fast'"),
        ts.use_path("fast"),  # type: ignore[arg-type]
    ):
        pytest.fail("refused before anything runs")


def test_one_path_for_all_that_is_compared(bridge: Any) -> None:
    pattern = "blocks.1.attn.hook_pattern"
    scope = AttendsTo(Keywords("film"), pattern, above=0.1)
    looks = ts.Add(direction(bridge, AT), 1.0, scope=scope)
    found = ts.compare(
        bridge,
        TEXTS,
        {"none": None, "looks": ts.Steering(looks)},
        ts.Sampling(2, temperature=0.0),
        progress=False,
    )
    assert found.path == "bridge"


def test_a_twin_that_differs_is_not_used(bridge: Any) -> None:
    host: Any = host_for(bridge, [AT])
    plain = host.plain.module
    # The plain model goes wrong at one place; what it is tried on is forgotten with new weights.
    norm = plain.base_model.layers[1].mlp if hasattr(plain.base_model, "layers") else None
    module = norm if norm is not None else plain.base_model.h[1].mlp
    module.register_forward_hook(lambda module, args, out: out * 1.01)
    assert written(bridge).path == "twin"
    with torch.no_grad():
        next(bridge.parameters()).mul_(1.0)
    assert "differ" in why_not(bridge, [AT])
