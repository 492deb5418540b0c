"""Estimators beside each other on film reviews: what they separate, and what they steer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from scipy.stats import spearmanr

from tl_steer.activations import Activations, capture, first_of_each
from tl_steer.data import (
    ContrastSet,
    Preferences,
    neutral_background,
    past_present,
    rotten_tomatoes,
)
from tl_steer.demo.prompts import TEST
from tl_steer.diagnostics import diagnose
from tl_steer.directions import (
    Direction,
    Directions,
    logistic_probe,
    mean_centring,
    mean_difference,
    principal_component,
    whitened_mean_difference,
)
from tl_steer.generation import Sampling, compare
from tl_steer.interventions import Add
from tl_steer.judges import sentiment_judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.metrics import measure
from tl_steer.steering import Steering
from tl_steer.trained import Fit, bipo, melbo, reft_r1

AT, UNTIL = "blocks.15.hook_resid_post", "blocks.24.hook_resid_post"
DOSE = 0.2
"""Relative dose at which all are compared."""

_JUDGE = "sentiment"


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    reviews: int = 256
    """Of each class, to find directions in."""

    held_out: int = 256
    """Others of each class, to see what they separate."""

    trained_on: int = 48
    """Of each class, for the methods that train."""

    steps: int = 30
    trained_apart: float = 0.2
    """Share of those that chooses the step."""

    prompts: int = len(TEST)
    samples: int = 4
    tokens: int = 30

    @classmethod
    def small(cls) -> "Sizes":
        """Enough to see that everything works."""
        return cls(
            reviews=32,
            held_out=32,
            trained_on=8,
            steps=3,
            trained_apart=0.0,
            prompts=2,
            samples=1,
            tokens=8,
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """A direction, and what a verdict on it needs."""

    direction: Direction
    train: Activations
    estimator: Callable[[Activations], Directions] | None = None


def compare_estimators(
    model: SteerableModel, *, sizes: Sizes = Sizes(), seed: int = 0, progress: bool = True
) -> pd.DataFrame:
    """Measure directions of many kinds at one hook point: good, weak and meaningless ones.

    All are found in the same film reviews, judged by the verdict on others, and added at the same
    relative dose, with either sign, while the model continues neutral beginnings.

    Args:
        model: The packaged model, or another one.
        sizes: How many texts.
        seed: Of all draws.
        progress: Whether to show progress bars.

    Returns:
        A row for each method, by name: ``cosine`` to the mean difference; ``auroc`` on held-out
        reviews; ``verdict`` and ``score``; ``positive`` and ``negative``, the judge's mean score
        at plus and minus the dose; ``effect``, half their difference; and the two
        ``perplexity_ratio_…`` to unsteered text. The first row is of unsteered text.
    """
    halves = rotten_tomatoes().split({"train": 0.5, "held-out": 0.5}, seed=seed)
    texts = halves["train"].sample(sizes.reviews, seed=seed)
    held_out = _read(model, halves["held-out"].sample(sizes.held_out, seed=seed), progress)
    train = _read(model, texts, progress)
    found = {
        **_estimated(model, train, progress),
        **_trained(model, texts.sample(sizes.trained_on, seed=seed), train, sizes, seed, progress),
        **_meaningless(train, seed),
    }
    written = _written(model, found, sizes, seed, progress)
    reference = found["mean difference"].direction
    rows = {name: _diagnosed(each, held_out, reference, seed) for name, each in found.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").join(written, how="right")
    return table.loc[["unsteered", *found]]


def predicted(table: pd.DataFrame) -> tuple[float, float]:
    """Rank correlation (Spearman) of the verdict's score with the effect, and its p-value."""
    directions = table.dropna(subset="score")
    found = spearmanr(directions["score"], directions["effect"])
    return float(found.statistic), float(found.pvalue)


def _read(model: SteerableModel, texts: Any, progress: bool) -> Activations:
    return capture(model, texts, at=AT, progress=progress)


def _estimated(model: SteerableModel, train: Activations, progress: bool) -> dict[str, _Found]:
    background = _read(model, neutral_background(), progress)
    few = first_of_each(train, 16)
    estimators: Mapping[str, Callable[[Activations], Directions]] = {
        "mean difference": mean_difference,
        "mean-centring": lambda acts: mean_centring(acts, background),
        "principal component": principal_component,
        "logistic probe": logistic_probe,
        "whitened mean difference": whitened_mean_difference,
    }
    found = {name: _Found(each(train)[AT], train, each) for name, each in estimators.items()}
    found["mean difference of 16 + 16"] = _Found(mean_difference(few)[AT], few, mean_difference)
    tense = mean_difference(_read(model, past_present("all"), progress))[AT]
    found["mean difference of another property"] = _Found(_signed(tense, train), train)
    return found


def _trained(
    model: SteerableModel,
    texts: ContrastSet,
    train: Activations,
    sizes: Sizes,
    seed: int,
    progress: bool,
) -> dict[str, _Found]:
    pairs = Preferences.from_pairs(
        ContrastSet.pairs(
            [(f" {a}", f" {b}") for a, b in zip(texts.positive, texts.negative, strict=True)]
        ),
        "A review of a film:",
    )
    unlabelled = Fit(max(sizes.steps // 2, 2), seed=seed)
    elicited = melbo(model, TEST[:4], at=AT, until=UNTIL, n=1, fit=unlabelled, progress=progress)
    fit = Fit(sizes.steps, held_out=sizes.trained_apart, seed=seed)
    directions = {
        "ReFT-r1": reft_r1(model, texts, at=AT, fit=fit, progress=progress).direction,
        "BiPO": bipo(model, pairs, at=AT, fit=fit, progress=progress).direction,
        "MELBO, sign from the labels": _signed(elicited[0], train),
    }
    return {name: _Found(each, train) for name, each in directions.items()}


def _meaningless(train: Activations, seed: int) -> dict[str, _Found]:
    found = {}
    for draw in (1, 2):
        generator = torch.Generator().manual_seed(seed + draw)
        labels = train.classes(AT)
        shuffled = replace(
            train, is_positive=labels[torch.randperm(len(labels), generator=generator)]
        )
        found[f"shuffled labels, {draw}"] = _Found(
            mean_difference(shuffled)[AT], shuffled, mean_difference
        )
        random = mean_difference(train)[AT].random_like(seed + draw)
        found[f"random, {draw}"] = _Found(random, train)
    return found


def _signed(direction: Direction, train: Activations) -> Direction:
    """Turn a direction that knows no labels to where the positive class is."""
    positive, negative = train.means(AT)
    along = direction.vector.double() @ (positive - negative)
    return direction if float(along) > 0 else -direction


def _written(
    model: SteerableModel, found: Mapping[str, _Found], sizes: Sizes, seed: int, progress: bool
) -> pd.DataFrame:
    """Measure what is written at either end of each direction."""
    conditions: dict[str, Steering | None] = {"unsteered": None}
    for name, each in found.items():
        strength = each.direction.strength_for(dose=DOSE)
        for sign in (1, -1):
            conditions[f"{name} {sign:+d}"] = Steering(Add(each.direction, sign * strength))
    sampling = Sampling(
        max_new_tokens=sizes.tokens, samples=sizes.samples, temperature=0.9, top_p=0.95, seed=seed
    )
    written = compare(model, TEST[: sizes.prompts], conditions, sampling, progress=progress)
    cells = measure(model, written, [sentiment_judge()], progress=progress)
    judged, ratio = cells[_JUDGE], cells["perplexity"] / cells.loc["unsteered", "perplexity"]
    rows: dict[str, dict[str, float]] = {
        name: {
            "positive": judged[f"{name} +1"],
            "negative": judged[f"{name} -1"],
            "effect": (judged[f"{name} +1"] - judged[f"{name} -1"]) / 2,
            "perplexity_ratio_positive": ratio[f"{name} +1"],
            "perplexity_ratio_negative": ratio[f"{name} -1"],
        }
        for name in found
    }
    rows["unsteered"] = {"positive": judged["unsteered"], "negative": judged["unsteered"]}
    return pd.DataFrame.from_dict(rows, orient="index")


def _diagnosed(
    found: _Found, held_out: Activations, reference: Direction, seed: int
) -> dict[str, Any]:
    directions = Directions({AT: found.direction})
    diagnosis = diagnose(found.train, held_out, directions, estimator=found.estimator, seed=seed)
    row = diagnosis.frame.loc[AT]
    return {
        "cosine": found.direction.cosine(reference),
        **{name: row[name] for name in ("auroc", "verdict", "score")},
    }
