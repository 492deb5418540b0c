"""A tiny model with random weights of every architecture of the table, from its configuration."""

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from models import WORDS
from widths import EXPERTS, GEMMA, GROUPED, LATENT, LAYERS, LINEAR, OLD, ROTARY_OLD, STATE, WIDTHS


@dataclass(frozen=True)
class Architecture:
    """How a tiny model is made."""

    model: str
    """The class of transformers."""

    config: str
    """Its configuration's class."""

    settings: dict[str, Any] = field(default_factory=dict)


def _of(name: str, settings: dict[str, Any], *, head: str = "ForCausalLM", **more: Any) -> Any:
    return Architecture(f"{name}{head}", f"{name}Config", {**settings, **more})


TINY: dict[str, Architecture] = {
    "GPT-2": _of("GPT2", OLD, head="LMHeadModel", n_positions=64),
    "GPT-Neo": _of(
        "GPTNeo",
        {"vocab_size": len(WORDS) + 3},
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        max_position_embeddings=64,
        attention_types=[[["global", "local"], 1]],
        window_size=4,
    ),
    "GPT-J": _of("GPTJ", ROTARY_OLD),
    "Pythia / GPT-NeoX": _of("GPTNeoX", WIDTHS, rotary_pct=0.5),
    "BLOOM": _of("Bloom", {"vocab_size": len(WORDS) + 3}, hidden_size=32, n_layer=LAYERS, n_head=4),
    "GPT-BigCode": _of("GPTBigCode", OLD, n_positions=64),
    "CodeGen": _of("CodeGen", ROTARY_OLD),
    "XGLM": _of(
        "XGLM",
        {"vocab_size": len(WORDS) + 3},
        d_model=32,
        ffn_dim=64,
        num_layers=LAYERS,
        attention_heads=4,
        max_position_embeddings=64,
    ),
    "OPT": _of(
        "OPT",
        {k: v for k, v in WIDTHS.items() if k != "intermediate_size"},
        ffn_dim=64,
        word_embed_proj_dim=32,
    ),
    "OPT-350m": _of(
        "OPT",
        {k: v for k, v in WIDTHS.items() if k != "intermediate_size"},
        ffn_dim=64,
        word_embed_proj_dim=16,
        do_layer_norm_before=False,
    ),
    "Llama 2": _of("Llama", WIDTHS),
    "Llama 3": _of(
        "Llama",
        GROUPED,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    "Llama 4": Architecture(
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        {
            **EXPERTS,
            "head_dim": 8,
            "intermediate_size_mlp": 64,
            "num_local_experts": 4,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": 32,
        },
    ),
    "Mistral": _of("Mistral", GROUPED, sliding_window=8),
    "Ministral": _of("Ministral", GROUPED, sliding_window=8, head_dim=8),
    "Ministral 3": _of("Ministral3", GEMMA),
    "Mixtral": _of("Mixtral", EXPERTS, num_local_experts=4),
    "Qwen 2": _of("Qwen2", GROUPED),
    "Qwen 2 MoE": _of(
        "Qwen2Moe",
        EXPERTS,
        num_experts=4,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=32,
    ),
    "Qwen 3": _of("Qwen3", GEMMA),
    "Qwen 3 MoE": _of("Qwen3Moe", EXPERTS, head_dim=8, num_experts=4, moe_intermediate_size=16),
    "Qwen 3-Next": _of(
        "Qwen3Next",
        LINEAR,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=16,
    ),
    "Qwen 3.5": Architecture("Qwen3_5ForCausalLM", "Qwen3_5TextConfig", LINEAR),
    "Phi": _of("Phi", WIDTHS),
    "Phi-3": _of("Phi3", GROUPED, pad_token_id=0),
    "StableLM": _of("StableLm", GROUPED),
    "Granite": _of(
        "Granite",
        GROUPED,
        residual_multiplier=0.5,
        attention_multiplier=0.25,
        embedding_multiplier=3.0,
        logits_scaling=2.0,
    ),
    "Granite MoE": _of(
        "GraniteMoe",
        EXPERTS,
        num_local_experts=4,
        residual_multiplier=0.5,
        attention_multiplier=0.25,
        embedding_multiplier=3.0,
        logits_scaling=2.0,
    ),
    "SmolLM3": _of("SmolLM3", GROUPED, pad_token_id=0),
    "StarCoder 2": _of("Starcoder2", GROUPED),
    "Nemotron": _of("Nemotron", GROUPED),
    "GLM-4": _of("Glm4", GEMMA, pad_token_id=0),
    "EXAONE-4": _of("Exaone4", GROUPED, sliding_window=8, sliding_window_pattern=2),
    "Seed-OSS": _of("SeedOss", GEMMA, pad_token_id=0),
    "Gemma": _of("Gemma", GEMMA),
    "Gemma 2": _of("Gemma2", GEMMA, sliding_window=8, query_pre_attn_scalar=8),
    "Gemma 3": Architecture(
        "Gemma3ForCausalLM",
        "Gemma3TextConfig",
        {**GEMMA, "sliding_window": 8, "query_pre_attn_scalar": 8},
    ),
    "Gemma 4": Architecture(
        "Gemma4ForCausalLM",
        "Gemma4TextConfig",
        {
            **GEMMA,
            "sliding_window": 8,
            "vocab_size_per_layer_input": len(WORDS) + 3,
            "hidden_size_per_layer_input": 8,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        },
    ),
    "OLMo": _of("Olmo", GROUPED),
    "OLMo 2": _of("Olmo2", GROUPED),
    "OLMo 3": _of("Olmo3", GROUPED, sliding_window=8),
    "OLMoE": _of("Olmoe", EXPERTS, num_experts=4),
    "Falcon": _of(
        "Falcon",
        {k: v for k, v in WIDTHS.items() if k not in ("intermediate_size",)},
        multi_query=True,
        parallel_attn=True,
    ),
    "Falcon-RW": _of(
        "Falcon",
        {k: v for k, v in WIDTHS.items() if k not in ("intermediate_size",)},
        multi_query=False,
        parallel_attn=False,
        alibi=True,
        bias=True,
    ),
    "MPT": _of(
        "Mpt",
        {"vocab_size": len(WORDS) + 3},
        d_model=32,
        n_layers=LAYERS,
        n_heads=4,
        max_seq_len=64,
        expansion_ratio=2,
    ),
    "Cohere": _of("Cohere", GROUPED, use_qk_norm=False),
    "Cohere 2": _of("Cohere2", GROUPED, head_dim=8, sliding_window=8),
    "GPT-OSS": _of("GptOss", EXPERTS, head_dim=8, num_local_experts=4, sliding_window=8),
    "DeepSeek V2": _of("DeepseekV2", LATENT, topk_method="greedy"),
    "DeepSeek V3": _of("DeepseekV3", LATENT),
    "LFM2": _of(
        "Lfm2",
        GROUPED,
        block_auto_adjust_ff_dim=False,
        layer_types=["conv", "full_attention", "conv"],
    ),
    "Jamba": _of(
        "Jamba",
        EXPERTS,
        num_experts=4,
        attn_layer_period=2,
        attn_layer_offset=1,
        mamba_d_state=8,
        mamba_dt_rank=4,
        use_mamba_kernels=False,
    ),
    "Mamba": _of("Mamba", STATE),
    "Mamba 2": _of("Mamba2", STATE, num_heads=8, head_dim=8, expand=2, n_groups=1, chunk_size=8),
    "Falcon-Mamba": _of("FalconMamba", STATE),
    "RecurrentGemma": _of(
        "RecurrentGemma",
        {k: v for k, v in GROUPED.items() if k != "max_position_embeddings"},
        head_dim=8,
        lru_width=32,
        attention_window_size=32,
        block_types=["recurrent", "attention", "recurrent"],
    ),
    "GPT": _of("OpenAIGPT", OLD, head="LMHeadModel", n_positions=64),
    "T5": Architecture(
        "T5ForConditionalGeneration",
        "T5Config",
        {
            "vocab_size": len(WORDS) + 3,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
    "BART": Architecture(
        "BartForConditionalGeneration",
        "BartConfig",
        {
            "vocab_size": len(WORDS) + 3,
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 64,
            "decoder_start_token_id": 0,
        },
    ),
    "BERT": _of("Bert", WIDTHS, head="ForMaskedLM"),
}


def plain(name: str, seed: int = 0) -> Any:
    """The model of transformers, ready to run."""
    asked = TINY[name]
    torch.manual_seed(seed)
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 0, "initializer_range": 0.2}
    config = getattr(transformers, asked.config)(**{**tokens, **asked.settings})
    config._attn_implementation = "eager"
    # As in a checkpoint: TransformerLens tells architectures by it.
    config.architectures = [asked.model]
    return getattr(transformers, asked.model)(config).eval()


def shaken(model: Any, seed: int = 0) -> Any:
    """The same model with gains that are not 1 and biases that are not 0, so that they show."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in model.named_buffers():
            if name.endswith("layer_scalar"):
                buffer.fill_(0.7)
    return model
