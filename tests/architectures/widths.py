"""The sizes that tiny models share."""

from typing import Any

from models import WORDS

LAYERS = 3

WIDTHS: dict[str, Any] = {
    "vocab_size": len(WORDS) + 3,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED: dict[str, Any] = {**WIDTHS, "num_key_value_heads": 2}
GEMMA = {**GROUPED, "head_dim": 8}
OLD = {"vocab_size": len(WORDS) + 3, "n_embd": 32, "n_layer": LAYERS, "n_head": 4}
ROTARY_OLD = {**OLD, "n_positions": 64, "rotary_dim": 4}
EXPERTS = {**GROUPED, "num_experts_per_tok": 2}
LATENT = {
    **WIDTHS,
    "num_key_value_heads": 4,
    "moe_intermediate_size": 16,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}
LINEAR = {
    **GEMMA,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}
STATE = {
    "vocab_size": len(WORDS) + 3,
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "state_size": 8,
}
