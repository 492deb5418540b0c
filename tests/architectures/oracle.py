"""An oracle for every architecture: the model of transformers, with hooks of torch put by hand.

Nothing of tl_steer or TransformerLens is used. Every row runs alone, without padding and without a
cache. What a site's name means is written down here once for each architecture: which module's
input or output it is, which of its columns, and how large a part of it reaches the stream.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from columns import Place, key_heads, query_heads
from hands import HANDS
from torch import Tensor


def places(architecture: str, model: Any, layer: int) -> dict[str, Place]:
    """What stands in one block, by site."""
    hand, block = HANDS[architecture], _block(model, architecture, layer)
    return {site: place for site, place in hand.read.items() if _module(block, place) is not None}


@torch.no_grad()
def activations(
    architecture: str, model: Any, row: Sequence[int]
) -> tuple[dict[str, Tensor], Tensor]:
    """``Float[Tensor, "pos *site"]`` at every hook name of one row, and its logits."""
    found: dict[str, Tensor] = {}
    handles = []
    n_layers = len(model.get_submodule(HANDS[architecture].blocks))
    for layer in range(n_layers):
        block = _block(model, architecture, layer)
        for site, place in places(architecture, model, layer).items():
            name = f"blocks.{layer}.{site}"

            def keep(acts: Tensor, name: str = name, place: Place = place) -> None:
                flat = acts.view(len(row), -1).clone() * place.gain(model.config)
                columns = _columns(place, model, acts)
                found[name] = flat if columns is None else flat[:, columns]

            handles.append(_attach(_module(block, place), place.side, keep))
    try:
        logits: Tensor = model(torch.tensor([list(row)]), use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    return found, logits


Addition = tuple[str, Tensor, tuple[int, int | None]]
"""A hook name, what is added there, and the tokens from start to before stop."""


@contextmanager
def adding(architecture: str, model: Any, additions: Sequence[Addition]) -> Iterator[None]:
    """Let vectors be added at hook points for the length of a block."""
    hand, handles = HANDS[architecture], []
    for name, vector, bounds in additions:
        _, layer, site = name.split(".", 2)
        block = _block(model, architecture, int(layer))
        place = hand.write.get(site, hand.read[site])

        def add(
            acts: Tensor, place: Place = place, vector: Tensor = vector, bounds: Any = bounds
        ) -> Tensor:
            columns = _columns(place, model, acts)
            more = torch.zeros(acts.shape[-1])
            where = slice(None) if columns is None else columns.flatten()
            more[where] = vector.flatten() / place.gain(model.config)
            changed = acts.clone()
            # Some models lay the tokens of all rows out in one axis; there is one row here.
            changed.view(-1, acts.shape[-1])[slice(*bounds)] += more
            return changed

        handles.append(_attach(_module(block, place), place.side, add))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def logits_of(
    architecture: str, model: Any, row: Sequence[int], additions: Sequence[Addition] = ()
) -> Tensor:
    """``Float[Tensor, "pos d_vocab"]`` of one row."""
    with adding(architecture, model, additions):
        logits: Tensor = model(torch.tensor([list(row)]), use_cache=False).logits[0]
    return logits


@torch.no_grad()
def attention(architecture: str, model: Any, row: Sequence[int]) -> dict[str, Tensor]:
    """``Float[Tensor, "head query key"]`` of blocks that attend, by the name of the pattern."""
    found = model(torch.tensor([list(row)]), use_cache=False, output_attentions=True).attentions
    n_layers = len(model.get_submodule(HANDS[architecture].blocks))
    layers = [n for n in range(n_layers) if "attn.hook_z" in places(architecture, model, n)]
    shares = [each[0] for each in found if each is not None]
    return {
        f"blocks.{layer}.attn.hook_pattern": share
        for layer, share in zip(layers, shares, strict=True)
    }


@torch.no_grad()
def attending(
    architecture: str, model: Any, row: Sequence[int], layer: int, pattern: Tensor
) -> Tensor:
    """Logits of one row where the tokens of one block attend as it is said."""
    hand, block = HANDS[architecture], _block(model, architecture, layer)
    values = _read(model, row, block, hand.values or hand.read["attn.hook_v"])
    values = values.repeat_interleave(len(pattern) // values.shape[1], dim=1)
    weighted = torch.einsum("hqk, khd -> qhd", pattern, values)
    if hand.gate is not None:
        weighted = weighted * _read(model, row, block, hand.gate).sigmoid()
    place = hand.read["attn.hook_z"]
    handle = _attach(_module(block, place), place.side, lambda acts: weighted.reshape(acts.shape))
    try:
        return logits_of(architecture, model, row)
    finally:
        handle.remove()


def greedy(
    architecture: str,
    model: Any,
    prompt: Sequence[int],
    additions: Sequence[Addition] = (),
    *,
    steps: int,
) -> tuple[list[int], list[float]]:
    """The likeliest tokens after a prompt, and their log-probabilities."""
    row, log_probs = list(prompt), []
    for _ in range(steps):
        following = logits_of(architecture, model, row, additions)[-1].log_softmax(-1)
        row.append(int(following.argmax()))
        log_probs.append(float(following.max()))
    return row[len(prompt) :], log_probs


def _read(model: Any, row: Sequence[int], block: Any, place: Place) -> Tensor:
    found: list[Tensor] = []
    handle = _attach(_module(block, place), place.side, lambda acts: found.append(acts.clone()))
    try:
        model(torch.tensor([list(row)]), use_cache=False)
    finally:
        handle.remove()
    columns = _columns(place, model, found[0])
    flat = found[0].view(len(row), -1)
    return flat if columns is None else flat[:, columns]


def _block(model: Any, architecture: str, layer: int) -> Any:
    return model.get_submodule(HANDS[architecture].blocks)[layer]


def _module(block: Any, place: Place) -> Any:
    for path in place.module.split("|"):
        try:
            return block.get_submodule(path)
        except AttributeError:
            continue
    return None


def _columns(place: Place, model: Any, acts: Tensor) -> Tensor | None:
    if place.columns is None:
        return None
    columns = place.columns(model.config)
    if columns.numel() <= acts.shape[-1] and place.columns not in (query_heads, key_heads):
        return columns
    # Layers may have heads of different widths.
    return torch.arange(acts.shape[-1]).view(len(columns), -1)


def _attach(module: Any, side: str, function: Callable[[Tensor], Tensor | None]) -> Any:
    def before(module: Any, args: Any, kwargs: Any) -> Any:
        key = next((each for each in ("hidden_states", "x") if each in kwargs), None)
        after = function(kwargs[key] if key else args[0])
        if after is None:
            return None
        return (args, {**kwargs, key: after}) if key else ((after, *args[1:]), kwargs)

    def behind(module: Any, args: Any, output: Any) -> Any:
        several = isinstance(output, tuple | list)
        after = function(output[0] if several else output)
        if after is None:
            return None
        return type(output)([after, *output[1:]]) if several else after

    if side == "in":
        return module.register_forward_pre_hook(before, with_kwargs=True)
    return module.register_forward_hook(behind)
