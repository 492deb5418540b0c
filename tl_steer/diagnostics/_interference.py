"""Do several interventions help or hinder each other?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.diagnostics._figures import similarity_heatmap
from tl_steer.directions import Direction
from tl_steer.drawing.canvas import blank_figure, legend_above, level
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.generation import Sampling, compare
from tl_steer.judges import Judge, require_judges
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.metrics import measure
from tl_steer.page.html import result_html
from tl_steer.steering import Steering, SteeringLike, as_steering

_NONE, _ALL = "unsteered", "all together"


@checked
@dataclass(frozen=True, eq=False)
class Interference:
    """What each intervention does alone, all do together, and all but one do."""

    frame: pd.DataFrame
    """A row for each condition: ``unsteered``, ``alone: NAME``, ``without: NAME`` and ``all
    together``; the columns of :func:`~tl_steer.metrics.measure`."""

    effects: pd.DataFrame
    """A row for each judge and intervention: ``alone``, its effect by itself, and ``in company``,
    what is lost when it alone is left out of all; both as differences of the judge's mean."""

    sums: pd.DataFrame
    """A row for each judge: ``together``, the effect of all; ``sum``, of the effects alone;
    ``subadditivity``, ``1 − together / sum``: 0 where they add up, 1 where they cancel, negative
    where they help each other. NaN where the sum is within 0.01 of nothing."""

    gram: pd.DataFrame
    """Cosines between the directions of the interventions; NaN between other widths, and for an
    intervention without a single direction."""

    def plot(self, judge: str) -> Figure:
        """Effects alone and in company as bars, beside the effect of all and the sum.

        Raises:
            DataError: For a judge that was not asked.
        """
        if judge not in self.sums.index:
            raise DataError(f"{judge!r}: the judges asked were {', '.join(self.sums.index)}.")
        rows = self.effects[self.effects["judge"] == judge]
        figure, (axes,) = blank_figure(3.2, 1)
        places = np.arange(len(rows))
        for offset, column, colour in ((-0.2, "alone", 0), (0.2, "in company", 1)):
            axes.bar(places + offset, rows[column], 0.38, color=COLOURS[colour], label=column)
        ends = self.sums.loc[judge]
        for number, (column, colour) in enumerate((("sum", 0), ("together", 1))):
            at = len(rows) + 0.2 * (2 * number - 1)
            axes.bar(at, ends[column], 0.38, color=COLOURS[colour], alpha=0.5)
        level(axes, 0)
        axes.set_xticks(
            [*places, len(rows)],
            [*(drawable(name, 14) for name in rows["intervention"]), "sum | together"],
        )
        axes.set_ylabel(f"change of {drawable(judge, 30)}")
        legend_above(axes)
        return figure

    def heatmap(self) -> Figure:
        """Cosines between the directions as colours."""
        return similarity_heatmap(self.gram, title="cosine between directions")

    def __repr__(self) -> str:
        """One line a judge."""
        lines = [
            f"  {name}: together {row['together']:+.3f}, sum {row['sum']:+.3f}, "
            f"subadditivity {row['subadditivity']:.2f}"
            for name, row in self.sums.iterrows()
        ]
        return "\n".join([f"Interference of {len(self.gram)} interventions", *lines])

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.sums, self.effects, self.frame)


@checked
def interference(
    model: SteerableModel,
    prompts: Sequence[str],
    steering: SteeringLike,
    judges: Judge | Sequence[Judge],
    sampling: Sampling = Sampling(),  # noqa: B008, frozen
    *,
    progress: bool = True,
) -> Interference:
    """Write under each intervention alone, under all, and under all but one, and judge that.

    With ``e(S)`` the change of a judge's mean under the interventions ``S`` and ``A`` all of them::

        alone(i) = e({i})      in company(i) = e(A) − e(A without i)
        subadditivity = 1 − e(A) / Σᵢ e({i})

    All conditions use the same random numbers: ``2 n + 2`` of them for ``n`` interventions, and 4
    for two.

    Args:
        model: Any TransformerLens model.
        prompts: To be continued.
        steering: Of two interventions or more, or a list of them; those that are switched off take
            no part.
        judges: One or several; each gives a text a number.
        sampling: How texts are drawn; effects smaller than their noise are none, so take many.
        progress: Whether to show a progress bar.

    Raises:
        DataError: For fewer than two interventions that act, or no judge.
        MismatchError: When something does not fit the model.
    """
    require_steerable(model)
    steering = as_steering(steering)
    judges = require_judges(judges)
    names = [name for name in steering.interventions if name not in steering.switched_off]
    if len(names) < 2 or not judges:
        raise DataError(
            f"Got {len(names)} interventions that act and {len(judges)} judges. Interference needs "
            "at least two interventions and one judge."
        )
    acting = Steering(**{name: steering.interventions[name] for name in names})
    conditions: dict[str, Steering | None] = {_NONE: None}
    for name in names:
        conditions[_alone(name)] = acting.off(*(other for other in names if other != name))
    # Of two, all but the one is the other alone.
    if len(names) > 2:
        conditions |= {_without(name): acting.off(name) for name in names}
    conditions[_ALL] = acting
    written = compare(model, prompts, conditions, sampling, progress=progress)
    frame = measure(model, written, judges, progress=progress)
    effects = frame[[judge.name for judge in judges]] - frame.loc[_NONE, [j.name for j in judges]]
    rows = [_effect(effects, names, name, judge.name) for judge in judges for name in names]
    sums = pd.DataFrame([_sums(effects, names, judge.name) for judge in judges])
    return Interference(frame, pd.DataFrame(rows), sums.set_index("judge"), _gram(acting))


def _alone(name: str) -> str:
    return f"alone: {name}"


def _without(name: str) -> str:
    return f"without: {name}"


def _effect(effects: pd.DataFrame, names: Sequence[str], name: str, judge: str) -> dict[str, Any]:
    rest = _without(name)
    if len(names) == 2:
        rest = _alone(next(other for other in names if other != name))
    return {
        "judge": judge,
        "intervention": name,
        "alone": effects.loc[_alone(name), judge],
        "in company": effects.loc[_ALL, judge] - effects.loc[rest, judge],
    }


def _sums(effects: pd.DataFrame, names: Sequence[str], judge: str) -> dict[str, Any]:
    total = float(effects.loc[[_alone(name) for name in names], judge].sum())
    together = float(effects.loc[_ALL, judge])
    share = 1 - together / total if abs(total) > 0.01 else float("nan")
    return {"judge": judge, "together": together, "sum": total, "subadditivity": share}


def _gram(steering: Steering) -> pd.DataFrame:
    directions = {
        name: getattr(each, "direction", None) for name, each in steering.interventions.items()
    }
    return pd.DataFrame(
        {
            one: {other: _cosine(directions[one], directions[other]) for other in directions}
            for one in directions
        }
    )


def _cosine(one: Any, other: Any) -> float:
    comparable = isinstance(one, Direction) and isinstance(other, Direction)
    if not comparable or one.vector.shape != other.vector.shape:
        return float("nan")
    return float(one.cosine(other))
