"""Frames of a study that nobody ran, with a known truth in them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from tl_steer.controls import ControlsResult, compared
from tl_steer.directions import Direction, Provenance
from tl_steer.generation import Generations, Sampling
from tl_steer.lens.protocol import ModelInfo
from tl_steer.reports._results import StudyResults
from tl_steer.statistics import Interval

JUDGE = "sentiment"
HOSTILE = "</td><script>alert(1)</script> | `x` *b* [a](http://x.example) $\\alpha$\n\x00\n# _é_ 影"
GAINS = {"mean difference": 1.0, "logistic probe": 0.6, "leace": 0.3, "pca of differences": -0.1}
STRENGTHS = (-4.0, -3.0, -2.0, -1.0, 0.5, 1.0, 2.0, 3.0, 4.0)
PROMPTS = tuple(
    f"Number {number}: the film that we saw last night in the old cinema was, to say it shortly,"
    for number in range(16)
)
PROVENANCE = Provenance(ModelInfo("nobody", 30, 4, "raw"), "made up")


def site(layer: int) -> str:
    return f"blocks.{layer}.hook_resid_post"


def setting(name: str, layer: int, strength: float, **changes: Any) -> dict[str, Any]:
    steered = name != "none"
    return {
        "cell": f"{name}/{layer}/{strength}/{sorted(changes.items())}",
        "direction": name,
        "hook_name": site(layer) if steered else "",
        "layer": layer if steered else -1,
        "strength": strength,
        "dose": round(strength * 0.06, 6),
        "scope": "everywhere",
        "prompts": "neutral",
        "seed": 0,
        **changes,
    }


def level(gain: float, strength: float, layer: int = 17) -> float:
    return float(0.5 + 0.45 * np.tanh(0.5 * gain * strength) * np.exp(-(((layer - 17) / 6) ** 2)))


def cells_of(
    gains: Mapping[str, float] = GAINS,
    *,
    layers: Sequence[int] = (11, 14, 17, 20),
    strengths: Sequence[float] = STRENGTHS,
    controls: int = 30,
    shuffled: int = 0,
    none: bool = True,
    **changes: Any,
) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    several = {
        **gains,
        **{f"random {n}": 0.08 * float(draws.normal()) for n in range(1, controls + 1)},
        **{f"shuffled {n}": 0.15 * float(draws.normal()) for n in range(1, shuffled + 1)},
    }
    rows = [] if not none else [setting("none", -1, 0.0, **changes) | numbers(0.5, 11.0)]
    for name, gain in several.items():
        for layer in layers:
            for strength in strengths:
                cost = 11.0 * np.exp(0.05 * strength**2 * (1.6 if name not in gains else 1.0))
                row = setting(name, layer, float(strength), **changes)
                rows.append(row | numbers(level(gain, strength, layer), float(cost)))
    return pd.DataFrame(rows)


def numbers(score: float, perplexity: float) -> dict[str, Any]:
    return {
        "texts": 64,
        JUDGE: score,
        f"{JUDGE}_low": score - 0.06,
        f"{JUDGE}_high": score + 0.05,
        f"{JUDGE}_share": score,
        "perplexity": perplexity,
        "distinct_2": 0.8,
        "repetition": 0.02,
        "kl": 0.2,
    }


def texts_of_cells(
    name: str = "mean difference",
    *,
    layer: int = 17,
    strength: float = 2.0,
    prompts: Sequence[str] = PROMPTS,
    samples: int = 4,
    gain: float | None = None,
    anti: Sequence[int] = (3, 8),
    **changes: Any,
) -> pd.DataFrame:
    """One setting beside no steering; the prompts in `anti` move the other way."""
    draws = np.random.default_rng(1)
    slope = GAINS.get(name, 0.5) if gain is None else gain
    rows = []
    for direction, force in ((name, strength), ("none", 0.0)):
        for index, prompt in enumerate(prompts):
            own = -0.5 * slope if index in anti else slope * (0.6 + 0.03 * index)
            for sample in range(samples):
                base = 0.5 + (0.03 * draws.normal() if samples > 1 else 0.0)
                word = "steered" if force else "plain"
                rows.append(
                    setting(direction, layer, force, **changes)
                    | {
                        "condition": direction,
                        "prompt_index": index,
                        "sample": sample,
                        "prompt": prompt,
                        "text": f" a {word} text, number {sample} of prompt {index}.",
                        "tokens": [1, 2, 3],
                        "log_probs": [-0.1, -0.2, -0.3],
                        "finished": False,
                        JUDGE: base + 0.1 * own * force,
                    }
                )
    return pd.DataFrame(rows)


def controlled_of(
    effect: float = 0.2,
    *,
    controls: int = 30,
    spread: float = 0.04,
    shuffled: int | None = 10,
    others: bool = True,
    prompts: Sequence[str] = PROMPTS[:8],
    samples: int = 2,
    seed: int = 0,
    short: Sequence[str] = (),
    kl: float | None = 0.2,
) -> ControlsResult:
    """A direction with that effect; `short` did not reach the KL."""
    draws = np.random.default_rng(seed)
    effects: dict[str, tuple[str, float]] = {"direction": ("direction", effect)}
    for number in range(1, controls + 1):
        effects[f"random {number}"] = ("random", float(spread * draws.normal()))
    for number in range(1, (shuffled or 0) + 1):
        effects[f"shuffled {number}"] = ("shuffled", float(1.5 * spread * draws.normal()))
    if others:
        effects["orthogonal 1"] = ("orthogonal", 0.01)
        effects["instruction"] = ("instruction", 0.1)
    effects["none"] = ("none", 0.0)
    base = 0.5 + 0.05 * draws.normal(size=(len(prompts), samples))
    texts, rows = [], []
    for name, (kind, mean) in effects.items():
        moved = base + mean + (0.02 * draws.normal(size=base.shape) if kind != "none" else 0)
        for (index, sample), score in np.ndenumerate(moved):
            text = {"condition": name, "prompt_index": index, "sample": sample}
            text |= {
                "prompt": prompts[index],
                "text": f" by {name}",
                "score": float(score),
                "seed": 0,
            }
            texts.append(text)
        own = {"kind": kind, "name": name, "strength": 2.0 * (kind != "none"), "dose": 0.12}
        own |= {"kl": 0.1 if name in short else 0.2 * (kind != "none"), "judge": moved.mean()}
        rows.append(own | {"effect": moved.mean() - base.mean(), "perplexity": 12.0})
    frame, written = pd.DataFrame(rows), pd.DataFrame(texts)
    comparisons = compared(frame, written, confidence=0.95, seed=0)
    against = comparisons.loc["none"]
    vector = Direction(torch.ones(4), site(17), 10.0, PROVENANCE)
    vectors = {name: vector for name, (kind, _) in effects.items() if kind not in OTHERS}
    return ControlsResult(
        frame,
        comparisons,
        Interval(float(against["difference"]), float(against["low"]), float(against["high"])),
        Generations(written, Sampling(samples=samples)),
        vectors,
        JUDGE,
        kl,
    )


OTHERS = ("none", "instruction")


def table() -> pd.DataFrame:
    rows = [
        (method, prompts, 50.0 + 10 * gain, 11.4, 0.8, 3.5 * gain)
        for method, gain in {"no steering": 0.0, **GAINS}.items()
        for prompts in ("neutral", "positive", "negative")
    ]
    columns = ["method", "prompts", "% positive", "perplexity", "distinct-2", "σ"]
    return pd.DataFrame(rows, columns=columns)


def chosen(*, strength: float = 2.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "direction": ["mean difference", "leace"],
            "hook_name": [site(17), site(17)],
            "strength": [strength, strength],
            "dose": [0.12, 0.12],
            JUDGE: [0.84, 0.63],
            "perplexity": [13.4, 12.2],
            "why": ["largest effect under 1.5 times the perplexity"] * 2,
        }
    )


def results_of(**changes: Any) -> StudyResults:
    given: dict[str, Any] = {
        "title": "Does the mean difference steer sentiment?",
        "question": "Do directions from film reviews move what the model writes?",
        "facts": {"model": "SmolLM2-135M-Instruct", "seeds": "0", "command": "study sentiment"},
        "judge": JUDGE,
        "cells": cells_of(),
        "texts": pd.concat([texts_of_cells(), texts_of_cells("leace").query("strength > 0")]),
        "controlled": {
            "mean difference": controlled_of(0.2),
            "logistic probe": controlled_of(0.12, seed=1),
            "leace": controlled_of(0.03, seed=2),
        },
        "table": table(),
        "chosen": chosen(),
        "limits": ["One small model.", "One judge was trained on reviews."],
        "people": pd.DataFrame({"condition": ["none", "steered"], "people": [0.4, 0.7]}),
        "agreement": "Krippendorff's α is 0.61 over 3 raters and 40 texts.",
    }
    return StudyResults(**(given | changes))
