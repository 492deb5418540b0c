"""Tries: places and doses that were tried on some prompts, each beside no steering."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from tl_steer.directions import AnyDirection
from tl_steer.experiments._cell import Cell
from tl_steer.experiments._constraints import Constraints
from tl_steer.experiments._running import Runner
from tl_steer.experiments._sweep_result import SweepResult
from tl_steer.statistics import paired_difference, prompts_of

Row = dict[str, Any]

SEVERAL = -1
"""The seed of a row in which several are taken together."""


@dataclass(frozen=True, eq=False)
class Place:
    """A direction that may be chosen."""

    name: str
    """What it is called; the same at several hook points, where there are several."""

    direction: AnyDirection

    def __str__(self) -> str:
        """Name and hook point."""
        return f"{self.name} at {self.direction.hook_name}"


@dataclass(eq=False)
class Tries:
    """Tries strengths on some prompts, and keeps what came of them."""

    runner: Runner
    cells: Sequence[Cell]
    """One for each seed and place, at any strength, and one for each seed without steering."""

    judge: str
    limits: Constraints
    rows: dict[tuple[int, float], Row] = field(default_factory=dict)
    """By place and strength, as in ``Calibration.curve``."""

    texts: list[pd.DataFrame] = field(default_factory=list)
    base: Row = field(default_factory=dict)
    """Without steering."""

    base_texts: pd.DataFrame = field(default_factory=pd.DataFrame)
    rounds: int = 0
    """How often a model was asked for texts."""

    @property
    def places(self) -> list[Place]:
        """What may be chosen, in the order of their numbers."""
        return [
            Place(cell.name, cell.direction)
            for cell in self.cells
            if cell.direction is not None and cell.sampling.seed == self._seeds[0]
        ]

    @property
    def _seeds(self) -> list[int]:
        return list(dict.fromkeys(cell.sampling.seed for cell in self.cells))

    def refuse(self, place: int, strength: float, *, kl: float, why_not: str) -> None:
        """Keep a strength that is not worth writing texts at, and why."""
        cell = self._cell(self._seeds[0], (place, strength))
        seed = SEVERAL if len(self._seeds) > 1 else self._seeds[0]
        measured = {"texts": 0, "kl": kl, "excess": math.inf, "round": self.rounds}
        self.rows[place, strength] = {
            "cell": "",
            **(cell.settings | {"seed": seed}),
            **measured,
            "feasible": False,
            "why_not": why_not,
        }

    def run(self, asked: Sequence[tuple[int, float]]) -> list[Row]:
        """Try strengths, all of them together.

        Args:
            asked: Numbers of places, and the strength at each.

        Returns:
            A row for each.
        """
        new = [each for each in dict.fromkeys(asked) if each not in self.rows]
        if new or not self.base:
            self._run(new)
        return [self.rows[each] for each in asked]

    def _run(self, new: Sequence[tuple[int, float]]) -> None:
        settings: list[tuple[int, float] | None] = [*([] if self.base else [None]), *new]
        cells = [self._cell(seed, each) for seed in self._seeds for each in settings]
        found = self.runner.texts(cells)
        self.rounds += 1
        for number, each in enumerate(settings):
            parts = found[number :: len(settings)]
            if self.runner.job.store is None:
                # Their keys are numbers then, which begin anew in every round.
                own = f"{self.cells[0].prompts.name} {len(self.texts)}"
                parts = [part.assign(cell=f"{own}.{i}") for i, part in enumerate(parts)]
            together = pd.concat(parts, ignore_index=True)
            row = self._row(together)
            if each is None:
                self.base, self.base_texts = row, together
            else:
                self.rows[each] = row
            row |= self._beside(row, together)
            self.texts.append(together)

    def _cell(self, seed: int, asked: tuple[int, float] | None) -> Cell:
        own = [cell for cell in self.cells if cell.sampling.seed == seed]
        if asked is None:
            return next(cell for cell in own if cell.direction is None)
        steered = [cell for cell in own if cell.direction is not None]
        return replace(steered[asked[0]], strength=asked[1])

    def _row(self, texts: pd.DataFrame) -> Row:
        """The texts of all seeds as one cell: intervals are over prompts, whatever the seeds."""
        seeds = texts["seed"].unique()
        cell = texts["cell"].iloc[0] if len(seeds) == 1 else "+".join(texts["cell"].unique())
        seed = int(seeds[0]) if len(seeds) == 1 else SEVERAL
        pooled = SweepResult(texts.assign(cell=cell, seed=seed), (self.judge,)).cells
        (row,) = pooled.to_dict("records")
        return {str(name): value for name, value in row.items()}

    def _beside(self, row: Row, texts: pd.DataFrame) -> Row:
        steered = texts[self.judge].to_numpy(float)
        unsteered = self.base_texts[self.judge].to_numpy(float)
        effect = paired_difference(steered, unsteered, prompts_of(texts))
        found = {
            "perplexity_ratio": row["perplexity"] / self.base["perplexity"],
            "effect": effect.estimate,
            "effect_low": effect.low,
            "effect_high": effect.high,
        }
        excess = max(self.limits.excesses(row, self.base).values())
        why_not = self.limits.why_not(row, self.base)
        return found | {
            "excess": excess,
            "feasible": not why_not,
            "why_not": why_not,
            "round": self.rounds,
        }
