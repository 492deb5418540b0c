"""The layout of weights in memory: the same numbers, and no pass copies a weight."""

from typing import Any

import pytest
import torch
from kinds import KINDS
from making import logits_of, own_model
from torch.utils._python_dispatch import TorchDispatchMode

from tl_steer.lens.fingerprint import fingerprint
from tl_steer.lens.hooked_layout import lay_out

pytestmark = pytest.mark.skipif("hooked" not in KINDS, reason="this TransformerLens has no such")


class Copies(TorchDispatchMode):
    """Counts copies of tensors that are as large as some weight of a model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.sizes = {each.numel() for each in model.parameters() if each.ndim > 1}
        self.found: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().startswith(("aten::clone", "aten::copy_", "aten::contiguous")):
            source = args[1] if "copy_" in func.name() else args[0]
            if source.ndim > 1 and source.numel() in self.sizes:
                self.found.append(tuple(source.shape))
        return func(*args, **(kwargs or {}))


def weights_copied(model: Any) -> int:
    with Copies(model) as copies:
        logits_of(model, ["the film was"])
    return len(copies.found)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_nothing_changes_but_strides(architecture: str) -> None:
    model = own_model("hooked", architecture)
    laid_out = logits_of(model), fingerprint(model), weights_copied(model)
    shapes = {name: each.shape for name, each in model.state_dict().items()}
    for each in model.parameters():
        each.data = each.data.contiguous()
    plain = logits_of(model), fingerprint(model), weights_copied(model)
    assert torch.equal(laid_out[0], plain[0])
    assert laid_out[1] == plain[1]
    assert laid_out[2] == 0 < 4 * model.cfg.n_layers <= plain[2]
    assert {name: each.shape for name, each in model.state_dict().items()} == shapes
    lay_out(model)
    assert weights_copied(model) == 0
