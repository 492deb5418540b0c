"""Steering that knows when and where, measured on the packaged model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from tl_steer.activations import Activations, capture
from tl_steer.data import formal_informal, rotten_tomatoes
from tl_steer.demo.prompts import TEST
from tl_steer.demo.two_subjects import TEXTS, Kept, divergences
from tl_steer.diagnostics import Interference, interference
from tl_steer.directions import Direction, mean_difference
from tl_steer.generation import Sampling, compare
from tl_steer.interventions import Add
from tl_steer.judges import Judge, TrainedJudge, sentiment_judge, train_judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.metrics import measure
from tl_steer.scopes import Keywords, ProjectionAbove, fit_threshold
from tl_steer.steering import Steering
from tl_steer.strengths import AttentionShare, ProbeGated, Strength

AT, PROBED = "blocks.15.hook_resid_post", "blocks.12.hook_resid_post"
PATTERNS = tuple(f"blocks.{layer}.attn.hook_pattern" for layer in range(8, 15))
DOSES = (0.1, 0.15, 0.2, 0.25, 0.3)
_JUDGE = "sentiment"


@dataclass(frozen=True, eq=False)
class Ready:
    """What all measurements begin from."""

    model: SteerableModel
    train: Activations
    """Of film reviews, at ``AT`` and ``PROBED``."""

    held_out: Activations
    joy: Direction
    formal: Direction
    formality: TrainedJudge
    """Of other texts than the direction."""

    prompts: Sequence[str]
    sampling: Sampling


def ready(model: SteerableModel, *, quick: bool = False, seed: int = 0) -> Ready:
    """Take directions for sentiment and formality, and a judge of formality.

    Args:
        model: The packaged model, or another one.
        quick: A handful of texts, to see that everything works.
        seed: Of all draws.
    """
    reviews, samples, tokens = (24, 1, 8) if quick else (256, 4, 30)
    halves = rotten_tomatoes().split({"train": 0.5, "held-out": 0.5}, seed=seed)
    train, held_out = (
        capture(model, half.sample(reviews, seed=seed), at=[AT, PROBED]) for half in halves.values()
    )
    style = formal_informal("all").split({"direction": 0.5, "judge": 0.5}, seed=seed)
    return Ready(
        model,
        train,
        held_out,
        joy=mean_difference(train)[AT],
        formal=mean_difference(capture(model, style["direction"], at=AT))[AT],
        formality=train_judge(style["judge"], held_out=style["direction"], name="formality"),
        prompts=TEST[:2] if quick else TEST,
        sampling=Sampling(
            max_new_tokens=tokens, samples=samples, temperature=0.9, top_p=0.95, seed=seed
        ),
    )


def together(given: Ready, *, dose: float = 0.15) -> Interference:
    """Add sentiment and formality at once, and each alone."""
    adds = {
        name: Add(each, each.strength_for(dose=dose))
        for name, each in (("positive", given.joy), ("formal", given.formal))
    }
    judges: list[Judge] = [sentiment_judge(), given.formality]
    return interference(given.model, given.prompts, Steering(**adds), judges, given.sampling)


def as_needed(given: Ready) -> pd.DataFrame:
    """Compare constant strengths with strengths that are given as far as they are needed.

    Returns:
        A row for each kind and dose: ``kind``, ``dose`` (the largest that is given), ``judge``,
        ``perplexity``; and for the adaptive ones ``constant_perplexity``, that of a constant
        strength with the same judge's score, interpolated; NaN beyond them.
    """
    probe = mean_difference(given.train)[PROBED]
    conditions: dict[str, Steering | None] = {"unsteered": None}
    for kind, doses in (("constant", DOSES), ("as needed", [1.6 * dose for dose in DOSES])):
        for dose in doses:
            strength: Strength = given.joy.strength_for(dose=dose)
            if kind == "as needed":
                strength = ProbeGated.fit(strength, probe, given.train)
            conditions[f"{kind} {dose:.3g}"] = Steering(Add(given.joy, strength))
    table = _measured(given, conditions)
    frame = pd.DataFrame(
        {
            "kind": [name.rpartition(" ")[0] or name for name in table.index],
            "dose": [float(name.split()[-1]) if " " in name else 0.0 for name in table.index],
            "judge": table[_JUDGE].to_numpy(),
            "perplexity": table["perplexity"].to_numpy(),
        }
    )
    steady = frame[frame["kind"] != "as needed"].sort_values("judge")
    same = np.interp(
        frame["judge"], steady["judge"], steady["perplexity"], left=np.nan, right=np.nan
    )
    return frame.assign(constant_perplexity=np.where(frame["kind"] == "as needed", same, np.nan))


def only_negative(given: Ready, *, false_fires: float = 0.1) -> pd.DataFrame:
    """Fit a gate that fires on negative reviews, and count where it fires.

    Returns:
        One row for each ``reviews`` ("fitted on", "held out"): share of ``negative`` and of
        ``positive`` reviews on which it fires.
    """
    against = _turned(given.train)
    gate = fit_threshold(against, -given.joy, false_fires=false_fires, condition=ProjectionAbove)
    rows = {"fitted on": gate.rates(against), "held out": gate.rates(_turned(given.held_out))}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["negative", "positive"])


def about_the_film(given: Ready, *, doses: Sequence[float] = DOSES) -> pd.DataFrame:
    """Steer what is said about the film by attention to it, and what is not by mistake.

    Texts say one thing about a film and one about something else. Gated and ungated additions are
    compared at the divergence that they cause in what is said about the film.

    Returns:
        A row for each ``kind`` and ``dose``: mean divergence of the next-token distribution from
        the unsteered one, in nats, at tokens ``about_film`` and ``elsewhere``; and for the gated
        ones ``ungated_elsewhere``, that of an ungated addition with the same effect about the film.
    """
    words = Keywords("film", "movie")
    kinds: Mapping[str, Sequence[tuple[float, Strength]]] = {
        "ungated": [(dose, given.joy.strength_for(dose=dose)) for dose in doses],
        "by attention": [
            (
                8 * dose,
                AttentionShare(words, PATTERNS, factor=given.joy.strength_for(dose=8 * dose)),
            )
            for dose in doses
        ],
    }
    rows = []
    for kind, strengths in kinds.items():
        for dose, strength in strengths:
            kept: Kept = divergences(given.model, TEXTS, Steering(Add(given.joy, strength)))
            rows.append(
                {
                    "kind": kind,
                    "dose": dose,
                    "about_film": kept.about_film,
                    "elsewhere": kept.elsewhere,
                }
            )
    frame = pd.DataFrame(rows)
    steady = frame[frame["kind"] == "ungated"].sort_values("about_film")
    same = np.interp(
        frame["about_film"],
        [0.0, *steady["about_film"]],
        [0.0, *steady["elsewhere"]],
        right=np.nan,
    )
    return frame.assign(ungated_elsewhere=np.where(frame["kind"] == "ungated", np.nan, same))


def _measured(given: Ready, conditions: Mapping[str, Steering | None]) -> pd.DataFrame:
    written = compare(given.model, given.prompts, conditions, given.sampling)
    return measure(given.model, written, [sentiment_judge()], progress=True)


def _turned(activations: Activations) -> Activations:
    """The same texts, with the negative ones as those to be found."""
    classes = activations.is_positive
    turned = None if classes is None else torch.logical_not(classes)
    return replace(activations, is_positive=turned)
