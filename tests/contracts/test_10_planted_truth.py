"""Contract 10: a direction that was planted in a model is found."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from models import ARCHITECTURES, KINDS, WORDS, hf_gpt2, hf_llama, small_model, tokenizer

import tl_steer as ts
from tl_steer.lens.loading import wrap

GOOD, BAD = ("great", "good", "bright", "loved"), ("awful", "bad", "dull", "hated")
SIZE = 4.0
NEUTRAL = [word for word in WORDS if word not in (*GOOD, *BAD)]


@cache
def truth() -> torch.Tensor:
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1234))
    return vector / vector.norm()


@cache
def planted(kind: str, architecture: str) -> Any:
    """The embedding of good words carries the direction; blocks write little beside it."""
    plain: Any = {"llama": hf_llama, "gpt2": hf_gpt2}[architecture]()
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            if any(part in name for part in ("o_proj", "down_proj", "c_proj")):
                weight *= 0.05
        for word in GOOD:
            plain.get_input_embeddings().weight[WORDS.index(word) + 3] += SIZE * truth()
    model: Any = wrap(
        plain, tokenizer(), name=f"planted-{architecture}", device="cpu",
        kind="hooked" if kind == "hooked" else "bridge",
    )  # fmt: skip
    if kind == "compatible":
        model.enable_compatibility_mode(no_processing=True)
    return model


def texts(words: tuple[str, ...], n: int, seed: int) -> list[str]:
    """Neutral texts, each with some of the words."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        text = list(random.choice(NEUTRAL, random.integers(5, 12)))
        for word in random.choice(words, 3):
            text.insert(random.integers(1, len(text)), word)
        found.append(" ".join(text))
    return found


CONTRAST = ts.ContrastSet(texts(GOOD, 120, seed=1), texts(BAD, 120, seed=2), name="planted")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moments_only", [False, True])
def test_mean_difference_finds_it(kind: str, architecture: str, moments_only: bool) -> None:
    acts = ts.capture(
        planted(kind, architecture), CONTRAST, moments_only=moments_only, progress=False,
        at=["blocks.*.hook_resid_pre", "blocks.*.hook_resid_post"],
    )  # fmt: skip
    found = ts.mean_difference(acts)
    for name, joy in found.items():
        expected = ts.Direction(truth(), name, joy.scale, joy.provenance)
        assert joy.cosine(expected) > 0.95, name
        chance = [abs(joy.random_like(seed).cosine(expected)) for seed in range(30)]
        assert joy.cosine(expected) > max(chance) + 0.1, name


def test_nothing_is_found_where_nothing_was_planted() -> None:
    acts = ts.capture(small_model("bridge"), CONTRAST, at="blocks.0.hook_resid_pre", progress=False)
    (joy,) = ts.mean_difference(acts).values()
    assert abs(joy.cosine(ts.Direction(truth(), joy.hook_name, 1.0, joy.provenance))) < 0.6


def test_its_size_is_the_difference_that_the_words_make() -> None:
    """3 of the tokens that are read carry the planted vector."""
    acts = ts.capture(
        planted("bridge", "llama"), CONTRAST, at="blocks.0.hook_resid_pre", progress=False
    )
    (joy,) = ts.mean_difference(acts).values()
    # The first position is never one of them, and is left out.
    share = np.mean([3 / (len(text.split()) - 1) for text in CONTRAST.positive])
    assert float(joy.vector @ truth()) == pytest.approx(SIZE * share, rel=0.1)
