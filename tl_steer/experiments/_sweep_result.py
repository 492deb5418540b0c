"""SweepResult: every text of a sweep, and what each cell comes to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import Confidence, came, checked
from tl_steer.errors import DataError
from tl_steer.experiments._store import keep_frame, kept_frame
from tl_steer.files.writing import made
from tl_steer.metrics import distinct_n, repetition
from tl_steer.page.html import result_html
from tl_steer.statistics import mean_interval, prompts_of

SETTINGS = ("direction", "hook_name", "layer", "strength", "dose", "scope", "prompts", "seed")
"""The columns that say which setting a row belongs to."""

_WORDS = ("cell", "direction", "hook_name", "scope", "prompts")
_NUMBERS = ("layer", "strength", "dose", "seed", "prompt_index", "nll", "n_tokens", "kl")
_FILES = ("texts.parquet", "cells.parquet")

_MOST = 700.0  # Nats a token; what is more has no perplexity that a float holds.
_DRAWS = 1999  # of the bootstrap, for each judge and cell


@checked
@dataclass(frozen=True, eq=False)
class SweepResult:
    """Every text of a sweep, and what each cell comes to; made by ``sweep``."""

    texts: pd.DataFrame
    """One row a text: ``cell`` (its key), the settings (:data:`SETTINGS`; ``dose`` is signed), the
    columns of ``Generations.frame``, and what was measured: a column for each judge, ``nll``
    (−Σ log p under the unsteered model, nats), ``n_tokens``, ``kl`` (of the token after the prompt,
    nats), and where asked ``relevance``, ``kl_neutral``, ``nll_second``, ``n_tokens_second``."""

    judges: tuple[str, ...]
    """Names of the judges."""

    confidence: Confidence = 0.95
    """Of the intervals of :attr:`cells`."""

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell: its settings, how many ``texts``, and for each judge the mean under its
        name, with ``<name>_low`` and ``<name>_high`` (percentile bootstrap over prompts) and
        ``<name>_share`` (of texts over one half); ``perplexity`` (pooled over tokens, under the
        unsteered model), ``distinct_1`` to ``distinct_3``, ``repetition`` (of 4-grams), ``tokens``
        (mean length), ``kl`` and what else was measured.
        """  # noqa: D205, the first sentence is long
        groups = self.texts.groupby("cell", sort=False)
        return pd.DataFrame([self._cell(str(key), part) for key, part in groups])

    def of(self, **settings: object) -> "SweepResult":
        """Keep some cells: ``swept.of(direction="joy", seed=0)``.

        Raises:
            DataError: For a setting that there is none of, or nothing that remains.
        """
        kept = self.texts
        for name, value in settings.items():
            if name not in SETTINGS:
                raise DataError(f"{name!r} is no setting; these are: {', '.join(SETTINGS)}.")
            if not isinstance(value, str | int | float | np.number):
                raise DataError(f"{name}: expected a text or a number, got {came(value)}.")
            there = list(dict.fromkeys(kept[name]))
            kept = kept[kept[name] == value]
            if kept.empty:
                raise DataError(f"{name}={value!r}: there are {', '.join(map(repr, there))}.")
        return SweepResult(kept.reset_index(drop=True), self.judges, self.confidence)

    def save(self, folder: str | Path) -> Path:
        """Write ``texts.parquet`` and ``cells.parquet`` into a folder.

        Raises:
            StorageError: When it cannot be written to.
        """
        to = made(Path(folder))
        for name, frame in zip(_FILES, (self.texts, self.cells), strict=True):
            keep_frame(frame, to / name, key=name)
        return to

    @classmethod
    def load(cls, folder: str | Path) -> "SweepResult":
        """Read what :meth:`save` wrote.

        Raises:
            DataError: When there is no such file, or it is not one of a sweep.
        """
        texts, cells = (kept_frame(Path(folder) / name) for name in _FILES)
        judges = [name.removesuffix("_share") for name in cells if name.endswith("_share")]
        _require(texts, (*_WORDS, "text"), (*_NUMBERS, *judges), f"{Path(folder) / _FILES[0]}")
        return cls(texts, tuple(judges))

    def _cell(self, key: str, part: pd.DataFrame) -> dict[str, object]:
        row: dict[str, object] = {"cell": key} | {name: part[name].iloc[0] for name in SETTINGS}
        row["texts"] = len(part)
        for name in self.judges:
            low, high = mean_interval(
                part.groupby(prompts_of(part))[name].mean().to_numpy(),
                confidence=self.confidence,
                draws=_DRAWS,
            )
            row |= {
                name: float(part[name].mean()),
                f"{name}_low": low,
                f"{name}_high": high,
                f"{name}_share": float((part[name] > 0.5).mean()),
            }
        texts = list(part["text"])
        row["perplexity"] = _perplexity(part, "")
        row |= {f"distinct_{n}": distinct_n(texts, n) for n in (1, 2, 3)}
        row["repetition"] = repetition(texts)
        row["tokens"] = float(part["n_tokens"].mean())
        row["kl"] = float(part["kl"].mean())
        row |= {
            name: float(part[name].mean()) for name in ("relevance", "kl_neutral") if name in part
        }
        if "nll_second" in part:
            row["perplexity_second"] = _perplexity(part, "_second")
        return row

    def __len__(self) -> int:
        """How many texts."""
        return len(self.texts)

    def __repr__(self) -> str:
        """Say what was tried."""
        named = {
            name: self.texts.loc[self.texts["direction"] != "none", name].nunique()
            for name in ("direction", "hook_name", "scope")
        }
        many = {name: self.texts[name].nunique() for name in ("strength", "prompts", "seed")}
        tried = ", ".join(
            f"{count} {name.replace('_', ' ')}{'s' * (count != 1)}"
            for name, count in {**named, **many}.items()
            if count
        )
        return f"SweepResult({len(self)} texts in {self.texts['cell'].nunique()} cells: {tried})"

    def plot(self, judge: str) -> Figure:
        """Draw what each dose does to a judge's score, and what it costs.

        Raises:
            DataError: For a judge that was not asked.
        """
        from tl_steer.reports import dose_effect_curves

        return dose_effect_curves(self.cells, judge)

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.cells, most=12)


def _perplexity(part: pd.DataFrame, suffix: str) -> float:
    tokens = float(part[f"n_tokens{suffix}"].sum())
    nats = float(part[f"nll{suffix}"].sum()) / tokens if tokens else math.nan
    return math.inf if nats > _MOST else math.exp(nats)


def _require(texts: pd.DataFrame, words: Sequence[str], numbers: Sequence[str], where: str) -> None:
    """Refuse a frame that is not one of a sweep."""
    lacking = [name for name in (*words, *numbers) if name not in texts]
    if lacking:
        raise DataError(f"{where}: no sweep; {', '.join(lacking)} lacking.")
    if texts.empty:
        raise DataError(f"{where}: no sweep; there is no text in it.")
    for name in words:
        if not all(isinstance(each, str) for each in texts[name]):
            raise DataError(f"{where}: no sweep; the column {name!r} should hold texts.")
    for name in numbers:
        if texts[name].dtype.kind not in "iuf":
            raise DataError(f"{where}: no sweep; the column {name!r} should hold numbers.")
