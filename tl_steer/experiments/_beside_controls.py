"""Directions beside their controls: the conditions written, and what they come to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
from tqdm.auto import tqdm

from tl_steer.controls import NONE, ControlsResult, compared
from tl_steer.directions import AnyDirection, Direction
from tl_steer.experiments._cell import Cell, PromptSet
from tl_steer.experiments._control_conditions import (
    Condition,
    Controls,
    conditions_of,
    strengths_of,
    unique,
)
from tl_steer.experiments._measures import loaded
from tl_steer.experiments._running import Runner
from tl_steer.experiments._workers import described
from tl_steer.generation import Generations, Sampling
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.scopes import Scope
from tl_steer.statistics import Interval

_KEPT = (
    "condition", "prompt_index", "sample", "prompt", "text", "tokens", "log_probs", "prompt_tokens",
    "finished", "seed",
)  # fmt: skip


def beside_controls(
    runner: Runner,
    prompts: PromptSet,
    directions: Mapping[str, AnyDirection],
    judge: str,
    samplings: Sequence[Sampling],
    controls: Controls,
    *,
    scope: Scope,
    progress: bool,
    model: SteerableModel | None = None,
) -> dict[str, ControlsResult]:
    """Set directions beside their controls, with what an experiment has at hand.

    Args:
        runner: Writes, and measures what the judge says.
        prompts: To be continued.
        directions: By name.
        judge: Its name.
        samplings: One for each seed.
        controls: What the directions are compared with.
        scope: Which tokens are steered.
        progress: Whether to show a progress bar.
        model: That of the runner, where it is loaded already.
    """
    for direction in directions.values():
        _ = direction.unit
    model = loaded(runner.model) if model is None else model
    require_steerable(model)
    for direction in directions.values():
        direction.check_fits(model)
    several = {name: conditions_of(name, each, controls) for name, each in directions.items()}
    once = unique(list(several.values()))
    told = {
        before: replace(prompts, before=before) if before else prompts
        for before in {one.before: None for one in once.values()}
    }

    def cells(strengths: Mapping[str, float]) -> list[Cell]:
        return [
            Cell(key, one.direction, strengths[key], "", scope, told[one.before], sampling)
            for sampling in samplings
            for key, one in once.items()
        ]

    # Before anything is run: do the prompts leave room, with the instruction too?
    described(model, runner.job, cells(dict.fromkeys(once, 1.0)))
    strengths = strengths_of(model, prompts, once, controls, scope)
    asked = cells(strengths)
    with tqdm(total=len(asked), desc="controls", unit="condition", disable=not progress) as bar:
        written = runner.texts(asked, finished=bar.update)
    n = len(once)
    by_key = {
        key: pd.concat(written[number::n], ignore_index=True) for number, key in enumerate(once)
    }
    return {
        name: _controlled(conditions, once, strengths, by_key, samplings[0], judge, controls)
        for name, conditions in several.items()
    }


def _controlled(
    conditions: Sequence[Condition],
    once: Mapping[str, Condition],
    strengths: Mapping[str, float],
    by_key: Mapping[str, pd.DataFrame],
    sampling: Sampling,
    judge: str,
    controls: Controls,
) -> ControlsResult:
    """One direction beside its controls, from the texts."""
    rows, parts = [], []
    for one in conditions:
        texts, strength = by_key[one.key], strengths[one.key]
        added = once[one.key].direction
        if isinstance(one.direction, Direction) and isinstance(added, Direction):
            # What was added is the same; the vector beside this direction has its norm.
            strength *= added.norm / one.direction.norm
        rows.append(
            {
                "kind": one.kind,
                "name": one.name,
                "strength": strength,
                "dose": 0.0 if one.direction is None else one.direction.dose(strength),
                "kl": float(texts["kl"].mean()),
                "judge": float(texts[judge].mean()),
                "perplexity": math.exp(float(texts["nll"].sum()) / float(texts["n_tokens"].sum())),
            }
        )
        parts.append(texts.assign(condition=one.name, score=texts[judge]))
    frame, written = pd.DataFrame(rows), pd.concat(parts, ignore_index=True)
    none = float(frame.loc[frame["kind"] == NONE, "judge"].iloc[0])
    frame.insert(6, "effect", frame["judge"] - none)
    comparisons = compared(frame, written, confidence=controls.confidence, seed=controls.seed)
    row = comparisons.loc[NONE]
    return ControlsResult(
        frame,
        comparisons,
        Interval(
            float(row["difference"]), float(row["low"]), float(row["high"]), controls.confidence
        ),
        Generations(_numbered(written, sampling)[[*_KEPT, "score"]], sampling),
        {one.name: one.direction for one in conditions if one.direction is not None},
        judge,
        controls.kl if controls.dose is None else None,
    )


def _numbered(written: pd.DataFrame, sampling: Sampling) -> pd.DataFrame:
    """Samples of several seeds are further ones of their prompts."""
    order = {seed: number for number, seed in enumerate(dict.fromkeys(written["seed"]))}
    return written.assign(
        sample=written["sample"] + sampling.samples * written["seed"].map(order).astype(int)
    )
