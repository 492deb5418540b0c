"""What a study found, as values; a report is made of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

import pandas as pd

from tl_steer.arguments import checked
from tl_steer.controls import ControlsResult
from tl_steer.errors import DataError
from tl_steer.reports._averages import SETTING

_SHARED = (*SETTING, "prompts", "seed")
_TEXTS = (*_SHARED, "prompt_index", "sample", "prompt", "text")
_CHOSEN = ("direction", "hook_name", "strength")


@checked
@dataclass(frozen=True, eq=False)
class StudyData:
    """Everything that the report of a study is made of.

    What is empty or ``None`` has no section in the report.

    Raises:
        DataError: The title or the judge is empty, or a frame lacks a column that the report reads.
    """

    title: str
    question: str
    """What was asked."""

    facts: Mapping[str, str]
    """Model, data, versions, seeds, sampling, time, command ..., by name."""

    judge: str
    """The judge whose scores are the headline; a column of ``cells`` and ``texts``."""

    cells: pd.DataFrame
    """What every dose does, as in ``SweepResult.cells``: one row a setting, prompt set and seed,
    with those of no steering and of the controls (``random 1``, ``shuffled 2`` ...)."""

    texts: pd.DataFrame
    """What was written at the operating points and without steering, as in ``SweepResult.texts``;
    those of other settings may be there too."""

    controlled: Mapping[str, ControlsResult]
    """By the name of the direction, what it does beside its controls at matched KL."""

    table: pd.DataFrame
    """A row a method and prompt set, with the shares, perplexities, distinct-n and σ that are to
    be shown; as it is."""

    chosen: pd.DataFrame
    """The operating points: ``direction``, ``hook_name``, ``strength``, and what else is to be
    shown, such as the dose, the scores on validation, and why it was chosen."""

    tried: pd.DataFrame | None = None
    """All that was tried for the operating points, as ``Calibration.curve``."""

    separation: pd.DataFrame | None = None
    """How well directions tell held-out texts apart, as from ``ts.diagnostics.separation``."""

    limits: Sequence[str] = ()
    """What the study does not show, in sentences."""

    people: pd.DataFrame | None = None
    """What people said, beside the automatic judges."""

    agreement: str | None = None
    """How far people agree with each other, in a sentence."""

    def __post_init__(self) -> None:
        """Refuse what no report can be made of."""
        for name in ("title", "judge"):
            if not getattr(self, name).strip():
                raise DataError(f"{name} is empty; a report has to say what it is of.")
        if isinstance(self.limits, str):
            raise DataError("limits is one string; give a list of sentences: [limit].")
        needed = {
            "cells": (*_SHARED, self.judge),
            "texts": (*_TEXTS, self.judge),
            "chosen": _CHOSEN,
        }
        for name, columns in needed.items():
            frame: pd.DataFrame = getattr(self, name)
            missing = [column for column in columns if column not in frame]
            if len(frame) and missing:
                raise DataError(f"{name} lacks the columns {missing}; it has {list(frame)}.")
        others = {each.judge for each in self.controlled.values()} - {self.judge}
        if others:
            raise DataError(
                f"controls were judged by {sorted(others)}, and the headline judge is "
                f"{self.judge!r}. Compare with controls by the headline judge."
            )

    def about(
        self,
        title: str = "",
        question: str = "",
        *,
        facts: Mapping[str, str] = MappingProxyType({}),
        limits: Sequence[str] = (),
    ) -> Self:
        """The same under a title, and with what only you know of it.

        Args:
            title: Of the report.
            question: What was asked, in a sentence.
            facts: What else a reader needs to repeat the study, by name.
            limits: What it does not show, in sentences, besides what can be told from it.
        """
        return replace(
            self,
            title=title or self.title,
            question=question or self.question,
            facts={**facts, **self.facts},
            limits=[*limits, *self.limits],
        )
