"""Calibration: an operating point, and all that was tried on the way to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.controls import NONE
from tl_steer.errors import SteerError
from tl_steer.experiments._calibration_figure import calibration_figure
from tl_steer.experiments._constraints import Constraints
from tl_steer.experiments._operating_point import OperatingPoint
from tl_steer.experiments._sweep_result import SweepResult
from tl_steer.page.html import result_html
from tl_steer.scopes import Scope
from tl_steer.steering import Steering, along

_SHOWN = (
    "direction", "hook_name", "dose", "perplexity_ratio", "repetition", "kl", "feasible", "why_not"
)  # fmt: skip


@checked
@dataclass(frozen=True, eq=False)
class Calibration:
    """An operating point, and all that was tried on the way to it; made by ``calibrate``."""

    curve: pd.DataFrame
    """One row a try on the validation prompts, after one without steering: the columns of
    ``SweepResult.cells``, with the texts of all seeds as one cell, whose ``seed`` is then -1;
    ``perplexity_ratio`` to the unsteered texts; ``effect``, the judge's mean minus that of the
    unsteered texts, with its paired interval over prompts ``effect_low`` and ``effect_high``;
    ``feasible``, and ``why_not`` in words; ``excess``, how far the worst limit is overstepped as a
    share of what it allows (0 or less is within); and ``round``, in which turn it was tried. A
    direction that does not reach the KL has a row without texts."""

    chosen: OperatingPoint | None
    """``None`` where nothing was within the constraints."""

    best_of: Mapping[str, OperatingPoint]
    """The best of each direction by itself; where nothing of it was within the constraints, what
    overstepped them least."""

    test: pd.DataFrame | None
    """The same columns for the test prompts: no steering, and the operating point."""

    swept: SweepResult
    """Every text, one cell for each seed; ``prompts`` is ``validation`` or ``test``."""

    judge: str
    constraints: Constraints
    kl: float | None
    """What all directions were brought to, in nats."""

    way: int
    """1 where higher scores were wanted, -1 where lower ones were."""

    scope: Scope = field(repr=False)
    notes: tuple[str, ...]
    """What this should be read with."""

    @property
    def steering(self) -> Steering:
        """What steers at the operating point.

        Raises:
            SteerError: Where there is none, with what came nearest.
        """
        if self.chosen is None:
            raise SteerError(self.notes[0])
        return along(self.chosen.direction, self.chosen.strength, scope=self.scope)

    def row_of(self, point: OperatingPoint) -> pd.Series:
        """The row of the curve in which an operating point was tried."""
        own = self.curve[
            (self.curve["direction"] == point.name)
            & (self.curve["hook_name"] == point.hook_name)
            & (self.curve["strength"] == point.strength)
        ]
        return own.iloc[0]

    def plot(self) -> Figure:
        """Judge and perplexity ratio against dose; see ``calibration_figure``."""
        return calibration_figure(
            self.curve, self.judge, chosen=self.chosen, limit=self.constraints.perplexity_ratio
        )

    def __repr__(self) -> str:
        """The result in a few lines."""
        steered = self.curve[self.curve["direction"] != NONE]
        lines = [f"Calibration({self.chosen or 'nothing chosen'}"]
        if self.chosen is not None:
            own = self.row_of(self.chosen)
            lines.append(self._line("validation", self.curve.iloc[0], own))
        if self.test is not None:
            line = self._line("test", self.test.iloc[0], self.test.iloc[1])
            why_not = self.test.iloc[1]["why_not"]
            lines.append(line + (f"; over the limits here: {why_not}" if why_not else ""))
        places = len(steered[["direction", "hook_name"]].drop_duplicates())
        footing = f" at KL {self.kl:g} nats" if self.kl is not None else ""
        lines.append(
            f"  {len(steered)} {_plural('try', len(steered))} of {places} "
            f"{_plural('direction', places)}{footing}, {int(steered['feasible'].sum())} within "
            f"{self.constraints}"
        )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)]) + ")"

    def _line(self, prompts: str, without: pd.Series, row: pd.Series) -> str:
        return (
            f"  {prompts}: {self.judge} {row[self.judge]:.3f} against {without[self.judge]:.3f}, "
            f"{row['effect']:+.3f} [{row['effect_low']:+.3f}, {row['effect_high']:+.3f}], "
            f"perplexity {row['perplexity_ratio']:.2f} × unsteered"
        )

    def _repr_html_(self) -> str:
        columns = [*_SHOWN[:3], self.judge, *_SHOWN[3:]]
        frames = [
            frame[columns].assign(prompts=name)
            for name, frame in (("test", self.test), ("validation", self.curve))
            if frame is not None
        ]
        return result_html(repr(self), *frames, most=12)


def _plural(word: str, number: int) -> str:
    if number == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
