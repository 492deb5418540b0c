"""What a trace says, computed with hooks written here: one text at a time, in one pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import degrees
from typing import Any

import torch
import transformers
from models import WORDS, small_model, tokenizer
from torch import Tensor

from tl_steer.lens.loading import wrap

_SIZES = {"vocab_size": len(WORDS) + 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 0}
_WIDTHS = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 64, "initializer_range": 0.2, "attn_implementation": "eager",
}  # fmt: skip
_MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "neox": ("GPTNeoX", {"rotary_pct": 0.5}),
    "qwen": ("Qwen3", {"num_key_value_heads": 2, "head_dim": 8}),
    "gemma": ("Gemma2", {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16}),
}
ARCHITECTURES = ("llama", "gpt2", *_MADE)


@cache
def model_of(architecture: str, kind: str = "bridge") -> Any:
    model = _made(architecture, kind)
    # A bridge attaches hooks of its own when it is first read from.
    model.run_with_cache(torch.tensor([[3]]))
    return model


def _made(architecture: str, kind: str) -> Any:
    if architecture not in _MADE:
        return small_model(kind, architecture)
    name, more = _MADE[architecture]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**_SIZES, **_WIDTHS, **more)
    made = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    return wrap(made, tokenizer(), name=f"small-{architecture}", kind="bridge", device="cpu")


@dataclass
class Act:
    """What is done at a hook point, in order; a map, a strength, and the tokens it is for."""

    name: str
    at: str
    change: Callable[[Tensor, float], Tensor]
    strength: float
    tokens: Callable[[int, int], range]
    """From the lengths of prompt and text."""


def add(vector: Tensor) -> Callable[[Tensor, float], Tensor]:
    return lambda h, alpha: h + alpha * vector


def ablate(vector: Tensor) -> Callable[[Tensor, float], Tensor]:
    unit = vector / vector.norm()
    return lambda h, alpha: h - alpha * (h @ unit)[:, None] * unit


@dataclass
class ByHand:
    rows: dict[tuple[int, str, str, str], dict[str, float]]
    """By position, hook name, direction and intervention."""

    log_probs: Tensor
    patterns: dict[str, Tensor]
    acts: dict[str, Tensor]


@torch.no_grad()
def by_hand(
    model: Any,
    tokens: Sequence[int],
    n_prompt: int,
    acts: Sequence[Act],
    directions: Mapping[str, tuple[str, Tensor]],
    patterns: Sequence[str] = (),
) -> ByHand:
    found: dict[tuple[int, str, str, str], dict[str, float]] = {}
    seen: dict[str, Tensor] = {}
    kept: dict[str, Tensor] = {}

    def at(name: str) -> Callable[..., Tensor]:
        here = [act for act in acts if act.at == name]

        def hook(h: Tensor, hook: Any) -> Tensor:
            now = h.clone()
            for act in here:
                after, chosen = now.clone(), list(act.tokens(n_prompt, len(tokens)))
                after[0, chosen] = act.change(now[0, chosen], act.strength)
                if act.strength == 0:
                    after, chosen = now, []
                note(name, act, now[0], after[0], set(chosen))
                now = after
            if not here:
                note(name, None, h[0], h[0], set())
            return now

        return hook

    def note(name: str, act: Act | None, before: Tensor, after: Tensor, chosen: set[int]) -> None:
        before, after = before.double(), after.double()
        for called, (place, vector) in directions.items():
            if place != name:
                continue
            unit = vector.double() / vector.double().norm()
            for position, (b, a) in enumerate(zip(before, after, strict=True)):
                cosine = (b @ a / b.norm() / a.norm()).clamp(-1, 1)
                found[position, name, called, act.name if act else ""] = {
                    "before": float(b @ unit),
                    "after": float(a @ unit),
                    "strength": act.strength if act else float("nan"),
                    "acts": float(position in chosen),
                    "relative_change": float((a - b).norm() / b.norm()),
                    "angle": degrees(torch.arccos(cosine)),
                    "norm_ratio": float(a.norm() / b.norm()),
                }
        seen[name] = before

    def keep(name: str) -> Callable[..., None]:
        def hook(pattern: Tensor, hook: Any) -> None:
            kept[name] = pattern[0].double()

        return hook

    names = dict.fromkeys([*(act.at for act in acts), *(p for p, _ in directions.values())])
    hooks = [*((n, at(n)) for n in names), *((n, keep(n)) for n in patterns)]
    logits = model.run_with_hooks(torch.tensor([list(tokens)]), fwd_hooks=hooks)
    return ByHand(found, logits[0].double().log_softmax(-1), kept, seen)
