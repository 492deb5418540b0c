"""The path on a GPU, where one is found: as on the CPU, and no waiting in hooks."""

from typing import Any

import pytest
import torch
from making import TEXTS, direction
from models import KINDS, small_model

import tl_steer as ts

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
NAME = "blocks.1.hook_resid_post"
GREEDY = ts.Sampling(max_new_tokens=6, temperature=0, stop_at_eos=False)


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """The same model on both devices."""
    return (
        small_model(request.param, device="cpu"),
        small_model(request.param, device="cuda"),
    )


def test_capture_agrees_with_the_cpu(pair: tuple[Any, Any]) -> None:
    names = ["blocks.*.hook_mlp_out", "blocks.*.hook_resid_post"]
    cpu, gpu = (ts.capture(model, TEXTS, at=names, progress=False) for model in pair)
    for name in cpu.hook_names:
        assert gpu[name].device.type == "cpu"
        torch.testing.assert_close(gpu[name], cpu[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scope", [ts.everywhere, ts.prompt, ts.generated, ts.Positions(-2)])
def test_steered_text_agrees_with_the_cpu(pair: tuple[Any, Any], scope: Any) -> None:
    add = ts.Add(direction(pair[0], NAME), [0.5, 1.0, 2.0], scope=scope)
    cpu, gpu = (
        ts.generate(model, TEXTS, ts.Steering(add), GREEDY, progress=False) for model in pair
    )
    assert list(cpu.frame["tokens"]) == list(gpu.frame["tokens"])


@pytest.mark.parametrize("scope", [ts.everywhere, ts.prompt, ts.generated, ts.Positions(-2)])
def test_hooks_do_not_wait_for_the_gpu(pair: tuple[Any, Any], scope: Any) -> None:
    model = pair[1]
    steering = ts.Steering(ts.Add(direction(model, NAME), [1.0, 2.0], scope=scope))
    tokens = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]], device="cuda")
    mask = torch.ones_like(tokens)
    ((_, function),) = steering.fwd_hooks(model)
    acts = torch.randn(2, 4, 32, device="cuda")
    with torch.no_grad():
        model(tokens, attention_mask=mask)  # the listener of the hooks hears this pass
        function(acts, hook=None)
        torch.cuda.set_sync_debug_mode("error")
        try:
            function(acts, hook=None)
        finally:
            torch.cuda.set_sync_debug_mode("default")
