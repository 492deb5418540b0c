"""What the case study found, as values."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tl_steer.demo.candidate import Candidate
from tl_steer.demo.search import Choice
from tl_steer.directions import Directions
from tl_steer.generation import Generations


@dataclass(frozen=True, eq=False)
class SiteResult:
    """What was measured at one site on the test prompts."""

    choice: Choice
    table: pd.DataFrame
    """A row for each of ``unsteered``, ``positive``, ``negative``, ``random``."""

    generations: Generations


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that the report is made from."""

    directions: Directions
    separation: pd.DataFrame
    sites: dict[str, SiteResult]
    """By site."""

    best: str
    """The site whose test results are the headline: chosen on validation."""

    facts: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The headline numbers, and both sites, as plain values."""
        return {
            **_site(self.sites[self.best]),
            "sites": {name: _site(result) for name, result in self.sites.items()},
            "facts": self.facts,
        }


def _site(result: SiteResult) -> dict[str, Any]:
    choice = result.choice
    cells: dict[str, Candidate | None] = {
        "unsteered": None,
        "positive": choice.positive,
        "negative": choice.negative,
        "random": choice.positive,
    }
    return {
        "hook_name": choice.positive.hook_name,
        "strength": choice.positive.strength,
        **{name: _cell(result.table.loc[name], used) for name, used in cells.items()},
    }


def _cell(row: pd.Series, used: Candidate | None) -> dict[str, Any]:
    numbers = {
        "judge": row["sentiment"],
        "judge_low": row["sentiment_low"],
        "judge_high": row["sentiment_high"],
        "vader": row["vader"],
        "perplexity": row["perplexity"],
        "distinct_2": row["distinct_2"],
        "repetition": row["repetition"],
        "texts": row["texts"],
    }
    cell: dict[str, Any] = {key: _number(value) for key, value in numbers.items()}
    if used is not None:
        cell |= {"hook_name": used.hook_name, "strength": used.strength}
    return cell


def _number(value: float) -> float | None:
    # JSON has no NaN; a measure that needs longer texts than there are is null.
    return None if value != value else round(float(value), 6)
