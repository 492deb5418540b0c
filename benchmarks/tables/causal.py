"""Where sentiment is carried in the packaged model, and whether steering there is better."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from scipy.stats import spearmanr

from tl_steer.activations import capture
from tl_steer.causal import (
    EachPosition,
    Localization,
    LogitDifference,
    PathEffects,
    Verification,
    attribution_patching,
    direct_effect,
    localize,
    steering_at,
    verify,
)
from tl_steer.data import rotten_tomatoes
from tl_steer.demo.minimal_pairs import ANSWERS, minimal_pairs
from tl_steer.demo.prompts import TEST, VALIDATION
from tl_steer.directions import Direction, Directions, mean_difference
from tl_steer.dosing import dose_at_kl
from tl_steer.generation import Sampling, compare
from tl_steer.interventions import Add
from tl_steer.judges import sentiment_judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.metrics import measure
from tl_steer.steering import Steering

METRIC = LogitDifference(*ANSWERS)
OUTPUTS = ("blocks.*.hook_attn_out", "blocks.*.hook_mlp_out")
HEADS, STREAM = "blocks.*.attn.hook_z", "blocks.*.hook_resid_post"
_JUDGE = "sentiment"

Made = Callable[[float], Steering]
"""A steering at a dose."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    pairs: int = 24
    pairs_by_position: int = 6
    verified: int = 12
    reviews: int = 256
    sites: int = 5
    heads: int = 10
    draws: int = 3
    layers: tuple[int, ...] = (5, 9, 13, 17, 21, 25)
    prompts: int = 16
    samples: int = 2
    tokens: int = 30

    @classmethod
    def small(cls) -> "Sizes":
        """Enough to see that everything works."""
        return cls(2, 1, 2, 16, 2, 2, 1, (9, 17), 2, 1, 6)


@dataclass(frozen=True, eq=False)
class Located:
    """Where sentiment is carried, by experiment."""

    outputs: Localization
    """Of attention and MLP outputs, by patching."""

    estimated: Localization
    """The same by attribution."""

    by_position: Localization
    """Of the residual stream, token by token, by patching; every third layer."""

    heads: Localization
    """By attribution."""

    verified: Verification
    """The heads with the largest estimates and as many others, by patching."""

    @property
    def rank_correlation(self) -> float:
        """Spearman's, between attribution and patching, over all attention and MLP outputs."""
        effects = (found.frame["effect"] for found in (self.estimated, self.outputs))
        return float(spearmanr(*effects).statistic)


def located(model: SteerableModel, sizes: Sizes) -> Located:
    """Exchange activations between prompts that differ in one word."""
    pairs = minimal_pairs(sizes.pairs)
    every_third = [f"blocks.{n}.hook_resid_post" for n in range(0, int(model.cfg.n_layers), 3)]
    heads = localize(model, pairs, METRIC, at=HEADS, by=attribution_patching)
    return Located(
        outputs=localize(model, pairs, METRIC, at=OUTPUTS),
        estimated=localize(model, pairs, METRIC, at=OUTPUTS, by=attribution_patching),
        by_position=localize(
            model,
            minimal_pairs(sizes.pairs_by_position),
            METRIC,
            at=every_third,
            positions=EachPosition(from_end=True),
        ),
        heads=heads,
        verified=verify(heads, k=sizes.verified),
    )


def sentiment_directions(model: SteerableModel, sizes: Sizes, *, seed: int = 0) -> Directions:
    """Mean differences of film reviews at all hook points that are compared."""
    reviews = rotten_tomatoes().sample(sizes.reviews, seed=seed)
    return mean_difference(capture(model, reviews, at=[*OUTPUTS, HEADS, STREAM]))


def paths_of(model: SteerableModel, joy: Direction, sizes: Sizes) -> PathEffects:
    """Which way the effect of a direction goes, on the negative prompts."""
    texts = minimal_pairs(sizes.pairs).negative
    return direct_effect(model, texts, joy, METRIC, dose=0.1)


def compared(
    model: SteerableModel,
    found: Located,
    directions: Directions,
    sizes: Sizes,
    *,
    limit: float,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Steer at the sites found and elsewhere, all at one mean KL of the next token.

    Args:
        model: Any that the rest was found in.
        found: The sites.
        directions: At all of them.
        sizes: How many prompts and texts.
        limit: Nats.
        seed: Of the sampling, and of the draws of sites.

    Returns:
        The sweep over single layers on validation prompts, and what is reported, on test prompts:
        a row for each condition with ``dose`` (of all additions together), ``kl``, the judge's
        mean ``sentiment`` with its 95 % bootstrap interval over prompts, ``perplexity`` under the
        unsteered model, and ``repetition``.
    """
    layers = {f"layer {n}": spread(directions, [_stream(n)]) for n in sizes.layers}
    sweep = _measured(model, layers, VALIDATION[: sizes.prompts], sizes, limit, seed)
    best = str(sweep[_JUDGE].drop("unsteered").idxmax())
    middle = directions[_stream(int(model.cfg.n_layers) // 2)]
    random = middle.random_like(seed)
    outputs = [site.hook_name for site in found.outputs.sites]
    attention = _only_attention(found.outputs)
    conditions: dict[str, Made] = {
        "the best site found": at_best(found.outputs, directions, 1),
        f"{sizes.sites} sites found": at_best(found.outputs, directions, sizes.sites),
        f"{sizes.sites} attention outputs found": at_best(attention, directions, sizes.sites),
        f"{sizes.heads} heads found": at_best(found.heads, directions, sizes.heads),
        "middle layer": spread(directions, [middle.hook_name]),
        f"best of the sweep: {best}": layers[best],
        "all layers": spread(directions, list(directions.at("hook_resid_post"))),
        "all attention and MLP outputs": spread(directions, outputs),
    }
    for draw in range(sizes.draws):
        drawn = _drawn(outputs, sizes.sites, seed + draw)
        conditions[f"{sizes.sites} random sites, {draw + 1}"] = spread(directions, drawn)
    conditions["random direction, middle layer"] = spread(
        Directions({middle.hook_name: random}), [middle.hook_name]
    )
    return sweep, _measured(model, conditions, TEST[: sizes.prompts], sizes, limit, seed)


def at_best(found: Localization, directions: Directions, k: int) -> Made:
    """Steer at the ``k`` best sites, or at as many as have an effect that is told from none."""
    ranked = found.ranking.head(k)
    certain = (ranked["low"] > 0) | (ranked["high"] < 0)
    # Up to the first that is not.
    count = max(1, int(certain.cummin().sum()))
    return lambda dose: steering_at(found, directions, k=count, dose=dose)


def spread(directions: Directions, names: Sequence[str]) -> Made:
    """Steer at some hook points, each with an equal part of the dose."""
    chosen = [directions[name] for name in names]
    return lambda dose: Steering(
        *(Add(each, each.strength_for(dose=dose / len(chosen))) for each in chosen)
    )


def _measured(
    model: SteerableModel,
    conditions: Mapping[str, Made],
    prompts: Sequence[str],
    sizes: Sizes,
    limit: float,
    seed: int,
) -> pd.DataFrame:
    doses = {name: dose_at_kl(model, prompts, made, limit) for name, made in conditions.items()}
    steerings: dict[str, Steering | None] = {"unsteered": None}
    steerings |= {name: made(doses[name][0]) for name, made in conditions.items()}
    sampling = Sampling(
        max_new_tokens=sizes.tokens, samples=sizes.samples, temperature=0.9, top_p=0.95, seed=seed
    )
    written = compare(model, prompts, steerings, sampling)
    cells = measure(model, written, [sentiment_judge()], seed=seed)
    reached = pd.DataFrame.from_dict(
        {"unsteered": (0.0, 0.0), **doses}, orient="index", columns=["dose", "kl"]
    )
    kept = [_JUDGE, f"{_JUDGE}_low", f"{_JUDGE}_high", "perplexity", "repetition"]
    return reached.join(cells[kept])


def _stream(layer: int) -> str:
    return STREAM.replace("*", str(layer))


def _only_attention(found: Localization) -> Localization:
    rows = [number for number, site in enumerate(found.sites) if site.kind == "hook_attn_out"]
    return replace(
        found,
        frame=found.frame.iloc[rows].reset_index(drop=True),
        sites=tuple(found.sites[number] for number in rows),
        per_prompt=found.per_prompt[rows],
    )


def _drawn(names: Sequence[str], k: int, seed: int) -> list[str]:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(names), generator=generator)[:k].tolist()
    return [names[number] for number in order]
