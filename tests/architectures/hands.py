"""What the names of sites mean in each architecture: which module, which side, which columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from columns import (
    Columns,
    Place,
    behind_keys,
    gate_half,
    half_of_heads,
    head_by_head,
    key_heads,
    one_after_the_other,
    one_key,
    query_heads,
)

STREAM = ("hook_resid_pre", "hook_resid_post")
"""What every block has, whatever it is made of."""


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


def _fused(module: str, order: Callable[[int], Columns], parts: str = "qkv") -> dict[str, Place]:
    return {
        f"attn.hook_{name}": Place(module, columns=order(number))
        for number, name in enumerate(parts)
    }


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
        "attn.hook_z": Place(f"{attn}.{out}", "in", query_heads),
        "attn.hook_q": Place(f"{attn}.q_proj", columns=query_heads),
        "attn.hook_k": Place(f"{attn}.k_proj", columns=key_heads),
        "attn.hook_v": Place(f"{attn}.v_proj", columns=key_heads),
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
    fused=_fused("attn.c_attn", one_after_the_other),
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
    fused=_fused("self_attention.query_key_value", head_by_head),
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
    fused=_fused("self_attention.query_key_value", one_key),
)
_STATE_SPACE = Hand(
    "backbone.layers", {"hook_resid_pre": Place("", "in"), "hook_resid_post": Place("", "out")}
)


def _hybrid(other: str, **more: Any) -> Hand:
    """Layers with attention and others, which write to the stream in a module of another name."""
    hand = _separate("model.layers", **more)
    write = Place(f"self_attn.{more.get('out', 'o_proj')}|{other}")
    return replace(hand, write={"hook_resid_mid": write})


_DELTA = replace(
    _hybrid("linear_attn.out_proj").plus(q=Place("self_attn.q_proj", columns=half_of_heads(0))),
    gate=Place("self_attn.q_proj", columns=half_of_heads(1)),
)

_LATENT = replace(
    _LLAMA.without("q", "k", "v"), values=Place("self_attn.kv_b_proj", columns=behind_keys)
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
        fused=_fused("attention.query_key_value", head_by_head),
    ),
    "BLOOM": _BLOOM,
    "GPT-BigCode": replace(_GPT2, read={**_GPT2.read, **_fused("attn.c_attn", one_key)}),
    # Queries, values, keys, in as many groups as there are heads here.
    "CodeGen": replace(_GPTJ, read={**_GPTJ.read, **_fused("attn.qkv_proj", head_by_head, "qvk")}),
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
        fused=_fused("self_attn.qkv_proj", one_after_the_other),
    ).plus(pre=Place("mlp.gate_up_proj", columns=gate_half)),
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
    ).plus(pre=Place("mlp.gate_up_proj", columns=gate_half)),
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
        fused=_fused("attn.Wqkv", one_after_the_other),
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
