"""An oracle for every architecture: the model of transformers, with hooks of torch put by hand.

Nothing of tl_steer or TransformerLens is used. Every row runs alone, without padding and without a
cache. What a site's name means is written down here once for each architecture: which module's
input or output it is, which of its columns, and how large a part of it reaches the stream.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

STREAM = ("hook_resid_pre", "hook_resid_post")
"""What every block has, whatever it is made of."""

Columns = Callable[[Any], Tensor]
"""From a configuration to ``Int[Tensor, "*site"]``: where a site's numbers stand in a row."""


@dataclass(frozen=True)
class Place:
    """Where a site's numbers stand."""

    module: str
    """Inside the block; ``""`` is the block itself. Alternatives are parted by ``|``."""

    side: str = "out"
    """``in`` or ``out``."""

    columns: Columns | None = None
    """Which of them, and in which shape; all of them where nothing is said."""

    gain: Callable[[Any], float] = lambda config: 1.0
    """By what the numbers are multiplied on their way to what the site's name says."""


@dataclass(frozen=True)
class Hand:
    """The sites of one architecture."""

    blocks: str
    """The list of blocks."""

    read: Mapping[str, Place]
    """By site."""

    write: Mapping[str, Place] = field(default_factory=dict)
    """Where an addition stands for one at the site, if it is another place."""

    values: Place | None = None
    """What attention weighs, where it is not ``attn.hook_v``."""

    gate: Place | None = None
    """Whose sigmoid what attention gives is multiplied by, if it is."""

    def plus(self, **places: Place) -> "Hand":
        """The same with other places."""
        return replace(self, read={**self.read, **{_SHORT[k]: p for k, p in places.items()}})

    def without(self, *sites: str) -> "Hand":
        """The same without some sites."""
        left_out = [_SHORT[each] for each in sites]
        return replace(self, read={k: p for k, p in self.read.items() if k not in left_out})


_SHORT = {
    "mid": "hook_resid_mid",
    "attn_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
    "z": "attn.hook_z",
    "q": "attn.hook_q",
    "k": "attn.hook_k",
    "v": "attn.hook_v",
    "pre": "mlp.hook_pre",
    "post": "mlp.hook_post",
}


def _heads(config: Any) -> tuple[int, int, int]:
    """Heads, heads of keys and values, numbers of a head."""
    # Some have heads of a width of its own in each layer; the widths are seen there.
    known = config.to_dict()
    heads = config.num_attention_heads
    groups = known.get("num_key_value_heads") or heads
    return heads, groups, known.get("head_dim") or config.hidden_size // heads


def _query_heads(config: Any) -> Tensor:
    heads, _, width = _heads(config)
    return torch.arange(heads * width).view(heads, width)


def _key_heads(config: Any) -> Tensor:
    _, groups, width = _heads(config)
    return torch.arange(groups * width).view(groups, width)


def _one_after_the_other(part: int) -> Columns:
    """``[q q q q | k k | v v]``, a head after the other in each."""

    def columns(config: Any) -> Tensor:
        heads, groups, width = _heads(config)
        starts = (0, heads * width, (heads + groups) * width)
        count = heads if part == 0 else groups
        return starts[part] + torch.arange(count * width).view(count, width)

    return columns


def _head_by_head(part: int) -> Columns:
    """``[q k v | q k v | …]``, each head for itself."""

    def columns(config: Any) -> Tensor:
        heads, _, width = _heads(config)
        return torch.arange(heads * 3 * width).view(heads, 3, width)[:, part]

    return columns


def _one_key(part: int) -> Columns:
    """``[q q q q | k | v]``, one head of keys and values for all queries."""

    def columns(config: Any) -> Tensor:
        heads, _, width = _heads(config)
        every = torch.arange((heads + 2) * width).view(heads + 2, width)
        return (every[:heads], every[heads : heads + 1], every[heads + 1 :])[part]

    return columns


def _fused(module: str, order: Callable[[int], Columns], parts: str = "qkv") -> dict[str, Place]:
    return {
        f"attn.hook_{name}": Place(module, columns=order(number))
        for number, name in enumerate(parts)
    }


def _gate_half(config: Any) -> Tensor:
    return torch.arange(config.intermediate_size)


def _separate(
    blocks: str,
    attn: str = "self_attn",
    *,
    out: str = "o_proj",
    mlp: str = "mlp",
    pre: str = "gate_proj",
    post: str = "down_proj",
    mid: str | None = "post_attention_layernorm",
    attn_out: str | None = None,
    mlp_out: str | None = None,
    fused: dict[str, Place] | None = None,
    gain: Callable[[Any], float] = lambda config: 1.0,
) -> Hand:
    """An architecture of the usual kind; what is not said is as in Llama."""
    before = f"{mlp}." if mlp else ""
    attention = Place(attn_out or f"{attn}.{out}", gain=gain)
    read = {
        "hook_resid_pre": Place("", "in"),
        "hook_resid_post": Place("", "out"),
        "hook_attn_out": attention,
        "hook_mlp_out": Place(mlp_out or mlp, gain=gain),
        "attn.hook_z": Place(f"{attn}.{out}", "in", _query_heads),
        "attn.hook_q": Place(f"{attn}.q_proj", columns=_query_heads),
        "attn.hook_k": Place(f"{attn}.k_proj", columns=_key_heads),
        "attn.hook_v": Place(f"{attn}.v_proj", columns=_key_heads),
        "mlp.hook_pre": Place(f"{before}{pre}"),
        "mlp.hook_post": Place(f"{before}{post}", "in"),
        **(fused or {}),
    }
    if mid is None:
        return Hand(blocks, read)
    # The stream between is read where the MLP's norm reads it, and an addition to what attention
    # writes is an addition to it.
    read["hook_resid_mid"] = Place(mid, "in")
    return Hand(blocks, read, {"hook_resid_mid": attention})


def _multiplier(config: Any) -> float:
    return float(config.residual_multiplier)


_LLAMA = _separate("model.layers")
_GPT2 = _separate(
    "transformer.h",
    "attn",
    out="c_proj",
    pre="c_fc",
    post="c_proj",
    mid="ln_2",
    fused=_fused("attn.c_attn", _one_after_the_other),
)
_GPTJ = _separate("transformer.h", "attn", out="out_proj", pre="fc_in", post="fc_out", mid=None)
_OPT = _separate(
    "model.decoder.layers",
    out="out_proj",
    mlp="",
    pre="fc1",
    post="fc2",
    mid="final_layer_norm",
    mlp_out="fc2",
)
_BLOOM = _separate(
    "transformer.h",
    "self_attention",
    out="dense",
    pre="dense_h_to_4h",
    post="dense_4h_to_h",
    mlp_out="mlp.dense_4h_to_h",
    fused=_fused("self_attention.query_key_value", _head_by_head),
)
_SANDWICH = _separate(
    "model.layers",
    mid="pre_feedforward_layernorm",
    attn_out="post_attention_layernorm",
    mlp_out="post_feedforward_layernorm",
)
_AFTERWARDS = _separate(
    "model.layers",
    mid="mlp",
    attn_out="post_attention_layernorm",
    mlp_out="post_feedforward_layernorm",
)
_MIXTURE = _LLAMA.without("pre", "post")
_FALCON = _separate(
    "transformer.h",
    "self_attention",
    out="dense",
    pre="dense_h_to_4h",
    post="dense_4h_to_h",
    mid=None,
    fused=_fused("self_attention.query_key_value", _one_key),
)
_STATE_SPACE = Hand(
    "backbone.layers", {"hook_resid_pre": Place("", "in"), "hook_resid_post": Place("", "out")}
)


def _hybrid(other: str, **more: Any) -> Hand:
    """Layers with attention and others, which write to the stream in a module of another name."""
    hand = _separate("model.layers", **more)
    write = Place(f"self_attn.{more.get('out', 'o_proj')}|{other}")
    return replace(hand, write={"hook_resid_mid": write})


def _half_of_heads(part: int) -> Columns:
    """``[q g | q g | …]``: queries, each beside its gate."""

    def columns(config: Any) -> Tensor:
        heads, _, width = _heads(config)
        return torch.arange(heads * 2 * width).view(heads, 2, width)[:, part]

    return columns


def _behind_keys(config: Any) -> Tensor:
    """``[k v | k v | …]``: values, each beside the part of its key that is compressed with it."""
    keys, width = config.qk_nope_head_dim, config.v_head_dim
    heads = config.num_attention_heads
    return torch.arange(heads * (keys + width)).view(heads, keys + width)[:, keys:]


_DELTA = replace(
    _hybrid("linear_attn.out_proj").plus(q=Place("self_attn.q_proj", columns=_half_of_heads(0))),
    gate=Place("self_attn.q_proj", columns=_half_of_heads(1)),
)

_LATENT = replace(
    _LLAMA.without("q", "k", "v"), values=Place("self_attn.kv_b_proj", columns=_behind_keys)
)

HANDS: dict[str, Hand] = {
    "GPT-2": _GPT2,
    "GPT-Neo": _separate(
        "transformer.h",
        "attn.attention",
        out="out_proj",
        pre="c_fc",
        post="c_proj",
        mid="ln_2",
    ),
    "GPT-J": _GPTJ,
    "Pythia / GPT-NeoX": _separate(
        "gpt_neox.layers",
        "attention",
        out="dense",
        pre="dense_h_to_4h",
        post="dense_4h_to_h",
        mid=None,
        fused=_fused("attention.query_key_value", _head_by_head),
    ),
    "BLOOM": _BLOOM,
    "GPT-BigCode": replace(_GPT2, read={**_GPT2.read, **_fused("attn.c_attn", _one_key)}),
    # Queries, values, keys, in as many groups as there are heads here.
    "CodeGen": replace(_GPTJ, read={**_GPTJ.read, **_fused("attn.qkv_proj", _head_by_head, "qvk")}),
    "XGLM": replace(_OPT, blocks="model.layers"),
    "OPT": _OPT,
    "OPT-350m": _OPT.without("mid"),
    "Llama 2": _LLAMA,
    "Llama 3": _LLAMA,
    "Llama 4": _separate("model.layers", mlp="feed_forward"),
    "Mistral": _LLAMA,
    "Ministral": _LLAMA,
    "Ministral 3": _LLAMA,
    "Mixtral": _MIXTURE,
    "Qwen 2": _LLAMA,
    "Qwen 2 MoE": _MIXTURE,
    "Qwen 3": _LLAMA,
    "Qwen 3 MoE": _MIXTURE,
    "Qwen 3-Next": _DELTA.without("pre", "post"),
    "Qwen 3.5": _DELTA,
    "Phi": _separate("model.layers", out="dense", pre="fc1", post="fc2", mid=None),
    "Phi-3": _separate(
        "model.layers",
        pre="gate_up_proj",
        fused=_fused("self_attn.qkv_proj", _one_after_the_other),
    ).plus(pre=Place("mlp.gate_up_proj", columns=_gate_half)),
    "StableLM": _LLAMA,
    "Granite": _separate("model.layers", gain=_multiplier),
    "Granite MoE": _separate("model.layers", mlp="block_sparse_moe", gain=_multiplier).without(
        "pre", "post"
    ),
    "SmolLM3": _LLAMA,
    "StarCoder 2": _separate("model.layers", pre="c_fc", post="c_proj"),
    "Nemotron": _separate("model.layers", pre="up_proj"),
    "GLM-4": _separate(
        "model.layers",
        attn_out="post_self_attn_layernorm",
        mlp_out="post_mlp_layernorm",
    ).plus(pre=Place("mlp.gate_up_proj", columns=_gate_half)),
    "EXAONE-4": _AFTERWARDS,
    "Seed-OSS": _LLAMA,
    "Gemma": _LLAMA,
    "Gemma 2": _SANDWICH,
    "Gemma 3": _SANDWICH,
    "Gemma 4": _SANDWICH,
    "OLMo": _LLAMA,
    "OLMo 2": _AFTERWARDS,
    "OLMo 3": _AFTERWARDS,
    "OLMoE": _MIXTURE,
    "Falcon": _FALCON,
    "Falcon-RW": replace(_BLOOM, read={**_BLOOM.read, "hook_mlp_out": Place("mlp")}),
    "MPT": _separate(
        "transformer.blocks",
        "attn",
        out="out_proj",
        mlp="ffn",
        pre="up_proj",
        mid="norm_2",
        mlp_out="ffn.down_proj",
        fused=_fused("attn.Wqkv", _one_after_the_other),
    ),
    "Cohere": _separate("model.layers", mid=None),
    "Cohere 2": _separate("model.layers", mid=None),
    "GPT-OSS": _MIXTURE,
    "DeepSeek V2": _LATENT,
    "DeepSeek V3": _LATENT,
    "LFM2": _hybrid(
        "conv.out_proj", out="out_proj", mlp="feed_forward", pre="w1", post="w2", mid="ffn_norm"
    ),
    "Jamba": _hybrid("mamba.out_proj", mlp="feed_forward", mid="pre_ff_layernorm"),
    "Mamba": _STATE_SPACE,
    "Mamba 2": _STATE_SPACE,
    "Falcon-Mamba": _STATE_SPACE,
    "RecurrentGemma": replace(_STATE_SPACE, blocks="model.layers"),
    # The norm comes after each half, so that the stream between them is what the MLP reads.
    "GPT": replace(
        _GPT2.without("mid"),
        read={**_GPT2.read, "hook_resid_mid": Place("mlp", "in")},
        write={"hook_resid_mid": Place("ln_1")},
    ),
}


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
    if columns.numel() <= acts.shape[-1] and place.columns not in (_query_heads, _key_heads):
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
