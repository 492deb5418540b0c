"""Everything that is known of directions before they are used, in one call."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from tl_steer.activations import Activations
from tl_steer.arguments import Confidence, Count, Seed, came, checked
from tl_steer.diagnostics._agreement import agreement
from tl_steer.diagnostics._chance import chance_d_prime
from tl_steer.diagnostics._figures import histogram, similarity_heatmap
from tl_steer.diagnostics._projected import Projected, projected
from tl_steer.diagnostics._reliability import Estimator, reliability
from tl_steer.diagnostics._separation import separation
from tl_steer.diagnostics._similarity import between_layers
from tl_steer.diagnostics._verdict import Evidence, Thresholds, Verdict, verdict
from tl_steer.directions import Direction, Directions, require_contrast
from tl_steer.errors import DataError, HookNameError, MismatchError
from tl_steer.page.html import result_html

_SAME = 0.99
_AT_LEAST = 4


@checked
@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The numbers, a verdict for each direction, and pictures."""

    frame: pd.DataFrame
    """A row for each hook name; the columns are explained at :func:`diagnose`."""

    verdicts: Mapping[str, Verdict]
    """By hook name."""

    directions: Directions

    held_out: Mapping[str, Projected]
    """By hook name: the projections of the held-out texts."""

    def __getitem__(self, hook_name: str) -> Verdict:
        """The verdict on the direction of one hook point."""
        self._require(hook_name)
        return self.verdicts[hook_name]

    @property
    def best(self) -> Verdict:
        """The verdict of the highest score."""
        return max(self.verdicts.values(), key=lambda each: each.score)

    def plot(self, hook_name: str) -> Figure:
        """The two classes' held-out projections at one hook point, beside its key numbers.

        Raises:
            HookNameError: When no direction of that name was diagnosed.
        """
        self._require(hook_name)
        one, row = self.verdicts[hook_name], self.frame.loc[hook_name]
        method = self.directions[hook_name].provenance.method
        return histogram(
            self.held_out[hook_name], title=f"{hook_name}: {method}", notes=_notes(one, row)
        )

    def heatmap(self) -> Figure:
        """Cosines between the directions of all hook points."""
        return similarity_heatmap(between_layers(self.directions), title="cosine between layers")

    def _require(self, hook_name: str) -> None:
        if hook_name not in self.verdicts:
            raise HookNameError(
                f"{hook_name!r} was not diagnosed. Available: {', '.join(self.verdicts)}."
            )

    def __repr__(self) -> str:
        """How many of each verdict, and the best."""
        decisions = [str(each.decision) for each in self.verdicts.values()]
        counts = ", ".join(f"{decisions.count(d)} {d}" for d in dict.fromkeys(decisions))
        return f"Diagnosis({counts}; highest score: {self.best})"

    def _repr_html_(self) -> str:
        first = [each.reasons[0] for each in self.verdicts.values()]
        return result_html(repr(self), self.frame[_SHOWN].assign(why=first), most=60)


_SHOWN = ["verdict", "score", "auroc", "d_prime", "chance_d_prime", "reliability", "dose"]


@checked
def diagnose(
    train: Activations,
    held_out: Activations,
    directions: Directions,
    *,
    estimator: Estimator | None = None,
    confounds: pd.DataFrame | None = None,
    thresholds: Thresholds = Thresholds(),  # noqa: B008, frozen
    splits: Count = 20,
    resamples: Count = 1000,
    level: Confidence = 0.95,
    seed: Seed = 0,
) -> Diagnosis:
    """Measure directions on texts that they have not seen, and say whether to use them.

    Args:
        train: What the directions were computed from, with vectors.
        held_out: Activations of other texts, read in the same way.
        directions: At any of the hook points captured.
        estimator: How the directions were computed; without it their reliability is not measured.
        confounds: What :func:`tl_steer.diagnostics.confounds` found on the held-out
            texts; without it nothing is said of lengths and first tokens.
        thresholds: Where the verdict turns.
        splits: Halvings for the reliability.
        resamples: Bootstrap resamplings for the intervals of AUROC and d′.
        level: Of all intervals.
        seed: Of all draws.

    Returns:
        A :class:`Diagnosis`. Its frame has, by hook name: ``site``, ``layer``, ``verdict``,
        ``score``; ``auroc`` and ``d_prime`` with intervals (`separation`); ``chance_d_prime``
        (`chance_d_prime`); ``agreement`` and ``agreeing`` on the held-out texts (`agreement`);
        ``half_cosine`` and ``reliability`` with its interval (`reliability`); ``dose``, the norm of
        the direction as a share of the mean norm of the activations; ``dominated``, the largest
        share of its squared norm in one dimension; and the columns of `confounds`.

    Raises:
        HookNameError: When a direction's hook point was not captured in both.
        MismatchError: For activations of another model or another read, or an estimator that
            does not give these directions.
        DataError: For moments, no directions, texts without classes, fewer than four texts of a
            class, or held-out activations that are the training ones.
        NonFiniteError: For NaN, infinity, or a zero direction.
    """
    _require_fitting(train, held_out, directions)
    found = {n: projected(d, held_out, at_least=_AT_LEAST) for n, d in directions.items()}
    tables = [
        separation(directions, held_out, resamples=resamples, level=level, seed=seed),
        _of_chance(train, held_out, directions, seed),
        agreement(directions, held_out),
        _reliability(train, directions, estimator, splits, level, seed),
        _of_vectors(directions),
    ]
    if confounds is not None:
        tables.append(_confounds(confounds, directions))
    frame = pd.concat([table.set_index("hook_name") for table in tables], axis=1)
    verdicts = {
        name: verdict(name, _evidence(frame.loc[name], found[name]), thresholds)
        for name in directions
    }
    frame.insert(2, "verdict", [str(each.decision) for each in verdicts.values()])
    frame.insert(3, "score", [each.score for each in verdicts.values()])
    return Diagnosis(frame, verdicts, directions, found)


def _require_fitting(train: Activations, held_out: Activations, directions: Directions) -> None:
    if not directions:
        raise DataError("Expected at least one direction, got none.")
    differs = train.model.difference(held_out.model)
    if differs or train.read != held_out.read:
        raise MismatchError(
            "Training and held-out activations were not read in the same way "
            f"({differs or f'{train.read}, and {held_out.read}'})."
        )
    for direction in directions.values():
        projected(direction, train, at_least=_AT_LEAST)
        name = direction.hook_name
        if torch.equal(train[name], held_out[name]):
            raise DataError(
                f"{name}: the held-out activations are the training ones, on which every direction "
                'looks good. Split first: texts.split({"train": 0.5, "held-out": 0.5}).'
            )
    for activations in (train, held_out):
        require_contrast(activations, at_least=_AT_LEAST, method="a diagnosis")


def _of_chance(
    train: Activations, held_out: Activations, directions: Directions, seed: int
) -> pd.DataFrame:
    levels = [chance_d_prime(train, held_out, name, seed=seed) for name in directions]
    return pd.DataFrame({"hook_name": list(directions), "chance_d_prime": levels})


def _reliability(
    train: Activations,
    directions: Directions,
    estimator: Estimator | None,
    splits: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    names = ["half_cosine", "reliability", "reliability_low", "reliability_high"]
    if estimator is None:
        return pd.DataFrame({"hook_name": list(directions), **dict.fromkeys(names, float("nan"))})
    again: Any = estimator(train)  # a function of the user's may return anything
    if not isinstance(again, Directions):
        raise DataError(f"estimator: expected Directions, got {came(again)}.")
    for name, direction in directions.items():
        cosine = direction.cosine(again[name])
        if cosine < _SAME:
            raise MismatchError(
                f"{name}: the estimator finds another direction in the training activations "
                f"(cosine {cosine:.2f}). Give the estimator of these directions, or none."
            )
    halves = reliability(train, estimator, splits=splits, level=level, seed=seed)
    kept: pd.DataFrame = halves[halves["hook_name"].isin(list(directions))]
    return kept


def _of_vectors(directions: Directions) -> pd.DataFrame:
    return pd.DataFrame(
        {"hook_name": name, "dose": _dose(each), "dominated": _dominated(each)}
        for name, each in directions.items()
    )


def _dose(direction: Direction) -> float:
    return direction.dose() if direction.scale else float("nan")


def _dominated(direction: Direction) -> float:
    return float((direction.unit.vector**2).max())


def _confounds(table: pd.DataFrame, directions: Directions) -> pd.DataFrame:
    missing = [name for name in directions if name not in set(table.get("hook_name", ()))]
    if missing:
        raise DataError(f"The confounds were not measured at {missing[:3]}.")
    kept: pd.DataFrame = table[table["hook_name"].isin(list(directions))]
    return kept


def _evidence(row: pd.Series, found: Projected) -> Evidence:
    sides = (found.is_positive, ~found.is_positive)
    counts = [len(np.unique(found.unit_of[side])) for side in sides]
    numbers: dict[str, Any] = {
        each.name: float(row.get(each.name, np.nan)) for each in fields(Evidence)
    }
    return Evidence(**{**numbers, "texts": min(counts)})


def _notes(one: Verdict, row: pd.Series) -> str:
    lines = [
        f"{one.decision}, score {one.score:.2f}",
        "",
        f"AUROC {row['auroc']:.2f} ({row['auroc_low']:.2f} to {row['auroc_high']:.2f})",
        f"d′ {row['d_prime']:.2f}, chance {row['chance_d_prime']:.2f}",
        f"agreement {row['agreement']:.2f}",
    ]
    if not np.isnan(row["reliability"]):
        spread = f"{row['reliability_low']:.2f} to {row['reliability_high']:.2f}"
        lines.append(f"reliability {row['reliability']:.2f} ({spread})")
    if "length_share" in row:
        lines.append(f"length explains {row['length_share']:.0%}")
    lines += [f"norm {row['dose']:.1%} of h", f"largest dimension {row['dominated']:.0%}"]
    return "\n".join(lines)
