"""Worlds in which it is known what every dose does: cells whose texts nobody wrote."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grouped import grouped
from making import direction, shared_model

import tl_steer as ts
from tl_steer.experiments import Run, Search
from tl_steer.experiments._cell import Cell
from tl_steer.experiments._running import Runner

VALIDATION = ("the film was", "a movie", "i loved the plot", "the end")
TEST = ("this story is", "the actor", "you saw a scene")
SAMPLING = ts.Sampling(max_new_tokens=8, samples=2)
HERE, THERE = "blocks.1.hook_resid_post", "blocks.2.hook_resid_post"
PERPLEXITY = 11.0
FRESH, AGAIN = "a b c d e f g h", "a b c d a b c d"
"""Texts of five 4-grams each; of the second, one comes again."""


@dataclass(frozen=True)
class Named:
    """A judge that is never asked: the world says what it would say."""

    name: str = "praise"

    def __call__(self, texts: Sequence[str]) -> list[float]:
        raise AssertionError("the texts of a world are judged already")


@dataclass
class World:
    """What a dose does at a place; counted as it is asked for."""

    score: Callable[[str, float], float]
    """From hook point and signed dose to the judge's mean; ``""`` and 0 for no steering."""

    ratio: Callable[[str, float], float] = lambda hook_name, dose: 1.0
    kl: Callable[[str, float], float] = lambda hook_name, dose: 0.1
    repeats: Callable[[str, float], bool] = lambda hook_name, dose: False
    asked: list[list[dict[str, Any]]] = field(default_factory=list)
    """The settings of the cells of each round."""

    def texts(self, _: Runner, cells: Sequence[Cell]) -> list[pd.DataFrame]:
        self.asked.append([cell.settings for cell in cells])
        return [self.written(number, cell) for number, cell in enumerate(cells)]

    def written(self, number: int, cell: Cell) -> pd.DataFrame:
        settings = cell.settings
        at = (settings["hook_name"], settings["dose"])
        count = len(cell.prompts.prompts)
        nll = 8 * math.log(PERPLEXITY * self.ratio(*at))
        rows = [
            {
                "cell": f"cell {number}",
                **settings,
                "prompt_index": prompt,
                "sample": sample,
                "text": AGAIN if self.repeats(*at) else FRESH,
                # Prompts differ, by as much under all settings.
                "praise": self.score(*at) + 0.01 * (prompt - (count - 1) / 2),
                "nll": nll,
                "n_tokens": 8,
                "kl": self.kl(*at),
            }
            for prompt in range(count)
            for sample in range(cell.sampling.samples)
        ]
        return pd.DataFrame(rows)

    @property
    def doses(self) -> list[float]:
        """Of all steered cells on validation prompts, as they were asked for."""
        steered = [s for cells in self.asked for s in cells if s["hook_name"]]
        return [s["dose"] for s in steered if s["prompts"] == "validation"]


def model() -> Any:
    return shared_model("bridge", "llama")


def two_places() -> ts.Directions:
    return ts.Directions({name: direction(model(), name, 3) for name in (HERE, THERE)})


def calibrated(
    patch: pytest.MonkeyPatch, world: World, directions: Any = None, **settings: Any
) -> Any:
    from tl_steer.experiments._calibrate import calibrate

    patch.setattr(Runner, "texts", lambda self, cells: world.texts(self, cells))
    given = {"validation": VALIDATION, "test": TEST, "sampling": SAMPLING, "progress": False}
    several = two_places() if directions is None else directions
    asked = grouped(given | settings, search=Search, run=Run)
    return calibrate(model(), several, Named(), **asked)


def rising(hook_name: str, dose: float) -> float:
    """The more the better, and better there than here."""
    return float(0.5 + 0.4 * np.tanh(dose * (2 if hook_name == THERE else 1)))


def dear(limit: float) -> Callable[[str, float], float]:
    """Perplexity that reaches 1.5 times that of unsteered text at a dose."""
    return lambda hook_name, dose: 1 + 0.5 * (abs(dose) / limit) ** 2
