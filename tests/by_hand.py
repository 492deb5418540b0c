"""An oracle: the same additions on the plain Hugging Face model, with torch's own hooks.

Nothing of tl_steer or TransformerLens is used. Every row runs alone, without padding and without
a cache, and positions are plain numbers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from models import ARCHITECTURES
from torch import Tensor

Addition = tuple[str, Tensor, tuple[int, int | None]]
"""A hook name, what is added there, and the tokens from start to before stop."""


@cache
def plain_model(architecture: str) -> Any:
    return ARCHITECTURES[architecture]()


def _place(model: Any, architecture: str, name: str) -> tuple[Any, str, int]:
    """The module, which side of it, and where in its last axis a hook point's numbers begin."""
    _, layer, site = name.split(".", 2)
    if architecture == "llama":
        block = model.model.layers[int(layer)]
        attention, mlp = block.self_attn, block.mlp
        return {
            "hook_resid_pre": (block, "in", 0),
            "hook_resid_mid": (attention, "out", 0),
            "hook_attn_out": (attention, "out", 0),
            "hook_mlp_out": (mlp, "out", 0),
            "hook_resid_post": (block, "out", 0),
            "attn.hook_z": (attention.o_proj, "in", 0),
            "attn.hook_q": (attention.q_proj, "out", 0),
            "attn.hook_k": (attention.k_proj, "out", 0),
            "attn.hook_v": (attention.v_proj, "out", 0),
            "mlp.hook_pre": (mlp.gate_proj, "out", 0),
            "mlp.hook_post": (mlp.down_proj, "in", 0),
        }[site]
    block = model.transformer.h[int(layer)]
    width = model.config.n_embd
    return {
        "hook_resid_pre": (block, "in", 0),
        "hook_resid_mid": (block.attn, "out", 0),
        "hook_attn_out": (block.attn, "out", 0),
        "hook_mlp_out": (block.mlp, "out", 0),
        "hook_resid_post": (block, "out", 0),
        "attn.hook_z": (block.attn.c_proj, "in", 0),
        "attn.hook_q": (block.attn.c_attn, "out", 0),
        "attn.hook_k": (block.attn.c_attn, "out", width),
        "attn.hook_v": (block.attn.c_attn, "out", 2 * width),
        "mlp.hook_pre": (block.mlp.c_fc, "out", 0),
        "mlp.hook_post": (block.mlp.c_proj, "in", 0),
    }[site]


def _hooks(flat: Tensor, tokens: slice, offset: int) -> tuple[Any, Any]:
    def added(acts: Tensor) -> Tensor:
        acts = acts.clone()
        acts[:, tokens, offset : offset + len(flat)] += flat
        return acts

    def before(module: Any, args: Any) -> Any:
        return (added(args[0]), *args[1:])

    def after(module: Any, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (added(output[0]), *output[1:])
        return added(output)

    return before, after


@contextmanager
def adding(architecture: str, additions: Sequence[Addition]) -> Iterator[Any]:
    model = plain_model(architecture)
    handles = []
    for name, vector, bounds in additions:
        module, side, offset = _place(model, architecture, name)
        before, after = _hooks(vector.flatten(), slice(*bounds), offset)
        handles.append(
            module.register_forward_pre_hook(before)
            if side == "in"
            else module.register_forward_hook(after)
        )
    try:
        yield model
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def logits_by_hand(
    architecture: str, row: Sequence[int], additions: Sequence[Addition] = ()
) -> Tensor:
    """``Float[Tensor, "pos d_vocab"]`` of one row."""
    with adding(architecture, additions) as model:
        logits: Tensor = model(torch.tensor([list(row)]), use_cache=False).logits[0]
    return logits


def greedy_by_hand(
    architecture: str, prompt: Sequence[int], additions: Sequence[Addition] = (), *, steps: int
) -> tuple[list[int], list[float]]:
    """The likeliest tokens after a prompt, and their log-probabilities."""
    row, log_probs = list(prompt), []
    for _ in range(steps):
        following = logits_by_hand(architecture, row, additions)[-1].log_softmax(-1)
        row.append(int(following.argmax()))
        log_probs.append(float(following.max()))
    return row[len(prompt) :], log_probs
