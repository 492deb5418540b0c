"""Random models of known shapes, as bridges, in bfloat16."""

import gc
from dataclasses import dataclass
from typing import Any

import torch
from models import tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from tl_steer.lens.loading import wrap

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WORDS = ("the", "film", "was", "very", "good", "plot", "and", "acting", "not", "bad", "story")


def _shape(layers: int, width: int, heads: int, kv: int, mlp: int, words: int, tied: bool) -> Any:
    return {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": mlp,
        "vocab_size": words,
        "tie_word_embeddings": tied,
    }


SHAPES = {
    "SmolLM2-135M": _shape(30, 576, 9, 3, 1536, 49152, True),
    "Llama-3.2-1B": _shape(16, 2048, 32, 8, 8192, 128256, True),
    "Llama-3.1-8B": _shape(32, 4096, 32, 8, 14336, 128256, False),
}
TINY = {
    "tiny-1": _shape(3, 64, 4, 2, 128, 100, True),
    "tiny-2": _shape(2, 64, 4, 2, 128, 100, True),
    "tiny-3": _shape(4, 64, 4, 2, 128, 100, False),
}


@dataclass(frozen=True)
class Loaded:
    """A bridge, and how much of it a step of decoding has to read."""

    bridge: Any
    bytes_a_step: int


_kept: dict[str, Loaded] = {}


def load(name: str) -> Loaded:
    """Make a model, or give the one that was made last."""
    if name not in _kept:
        _kept.clear()
        forget()
        shape = {**SHAPES, **TINY}[name]
        config = LlamaConfig(
            **shape, max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=0
        )
        torch.manual_seed(0)
        with torch.device(DEVICE):
            made = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16).eval()
        step = sum(each.numel() * each.itemsize for each in made.parameters())
        if not config.tie_word_embeddings:
            step -= made.get_input_embeddings().weight.numel() * 2
        _kept[name] = Loaded(wrap(made, tokenizer(), name=name, device=DEVICE), step)
    return _kept[name]


def forget() -> None:
    """Give memory back that nobody holds any more."""
    gc.collect()
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()


def prompts(count: int, length: int) -> list[str]:
    """Texts of equal length, all different."""
    return [
        " ".join(WORDS[(row * 7 + place * (row + 3)) % 11] for place in range(length))
        for row in range(count)
    ]
