"""Models that are refused wherever they are passed, and why."""

from importlib.metadata import version
from typing import Any

_TURNED_IN_PAIRS = ("CohereForCausalLM", "Cohere2ForCausalLM")
"""Their rotary positions turn neighbouring numbers, where most models turn halves."""

_ENCODERS = ("HookedEncoder", "HookedAudioEncoder")
"""TransformerLens' own."""

_WRITE = ("ForCausalLM", "LMHeadModel")

_FOR = (
    "tl_steer is for models that read and write from left to right, such as GPT-2, Llama or Qwen."
)


def class_of(model: object) -> str:
    """The class that a model is known by: the wrapped one, where there is one."""
    return type(getattr(model, "original_model", model)).__name__


def why_unsupported(model: object) -> str | None:
    """Say why a model cannot be used here at all; ``None`` where it may be.

    Nothing is run: this is what its class and its configuration say.
    """
    wrapped = getattr(model, "original_model", None)
    cfg: Any = getattr(model, "cfg", None)
    name = class_of(model)
    config = getattr(wrapped, "config", None)
    if name == "HookedEncoderDecoder" or getattr(config, "is_encoder_decoder", False):
        return f"{name} is an encoder-decoder: one half of it reads, the other writes. {_FOR}"
    can_generate = getattr(wrapped, "can_generate", None)
    # Code from a checkpoint may write without what transformers asks for.
    writes = can_generate is None or can_generate() or name.endswith(_WRITE)
    if name in _ENCODERS or not writes:
        return f"{name} is an encoder: it reads, and writes no text. {_FOR}"
    if name in _TURNED_IN_PAIRS and not getattr(cfg, "rotary_interleaved_cos_sin", False):
        return (
            f"{name}: TransformerLens {version('transformer-lens')} computes its positions "
            "otherwise than transformers does, so that its logits are wrong. Install "
            'TransformerLens 4: pip install "transformer-lens>=4.3,<5".'
        )
    return None
