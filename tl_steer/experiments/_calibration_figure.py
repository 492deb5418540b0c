"""The picture of a calibration: what every dose that was tried does, and what it costs."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.controls import NONE
from tl_steer.drawing.canvas import blank_figure, legend_outside, ratio_ticks
from tl_steer.drawing.colours import GREY, PALE, looks
from tl_steer.drawing.words import drawable
from tl_steer.experiments._operating_point import OperatingPoint
from tl_steer.reports import require

_NAMED = 8  # lines with a colour and a name; the others are pale
_LONGEST = 44


def calibration_figure(
    curve: pd.DataFrame,
    judge: str,
    *,
    chosen: OperatingPoint | None = None,
    limit: float | None = 1.5,
) -> Figure:
    """Judge's mean and perplexity ratio against the relative dose; a line a direction.

    Filled markers are within the constraints, hollow ones are not. Where there are more than eight
    directions, those with the largest effects within the constraints are named.

    Args:
        curve: As of ``Calibration``.
        judge: The column of its mean scores.
        chosen: What is ringed.
        limit: The highest perplexity ratio, a line; ``None`` for none.

    Raises:
        DataError: The frame is empty or lacks a column.
    """
    require(curve, judge, "direction", "hook_name", "strength", "dose", "perplexity_ratio")
    figure, (effect, cost) = blank_figure(5.2, 2)
    level = float(curve.loc[curve["direction"] == NONE, judge].mean())
    steered = curve[(curve["direction"] != NONE) & (curve["texts"] > 0)]
    several = _series(steered)
    places, names = steered["hook_name"].nunique(), steered["direction"].nunique()
    for number, ((name, hook_name), rows) in enumerate(several):
        # What all have in common tells none apart.
        told = [name] * (names > 1 or places == 1) + [hook_name] * (places > 1)
        label = drawable(", ".join(told), _LONGEST)
        if number < _NAMED:
            look = looks(number)
        else:
            label = f"{len(several) - _NAMED} others"
            look = {"color": PALE, "marker": ".", "linestyle": "-", "zorder": 1}
        for axes, column, zero in ((effect, judge, level), (cost, "perplexity_ratio", 1.0)):
            _line(axes, rows, column, zero, look, label)
    for axes, column in ((effect, judge), (cost, "perplexity_ratio")):
        _ring(axes, steered, column, chosen)
    effect.axhline(level, color="black", linewidth=1, linestyle="--", label="no steering")
    effect.plot([], [], "o", color=GREY, fillstyle="none", label="hollow: over the limits")
    cost.set_yscale("log")
    ratio_ticks(cost, [*steered["perplexity_ratio"], 1.0, limit or 1.0])
    if limit is not None:
        cost.axhline(limit, color="black", linewidth=1, linestyle=":", label=f"limit {limit:g} ×")
    effect.set(ylabel=f"{drawable(judge, 34)}, mean")
    cost.set(xlabel="relative dose ‖αv‖ / ‖h‖, signed", ylabel="perplexity,\nratio to unsteered")
    legend_outside(figure, [effect, cost])
    return figure


def _series(steered: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """By name and hook point; the largest effects within the constraints first where too many."""
    found = [
        ((str(name), str(hook_name)), rows.sort_values("dose"))
        for (name, hook_name), rows in steered.groupby(["direction", "hook_name"], sort=False)
    ]
    if len(found) <= _NAMED:
        return found

    def reach(each: tuple[tuple[str, str], pd.DataFrame]) -> float:
        allowed = each[1].loc[each[1]["feasible"].astype(bool), "effect"].abs()
        return float(allowed.max()) if len(allowed) else -1.0

    return sorted(found, key=reach, reverse=True)


def _line(
    axes: Axes, rows: pd.DataFrame, column: str, zero: float, look: dict[str, object], label: str
) -> None:
    # Strength 0 is nothing, so that every line begins there.
    ordered = sorted([(0.0, zero), *zip(rows["dose"], rows[column], strict=True)])
    x, y = zip(*ordered, strict=True)
    plain = {name: value for name, value in look.items() if name != "marker"}
    axes.plot(x, y, linewidth=1.4, **plain)  # type: ignore[arg-type]
    axes.plot([], [], linewidth=1.4, markersize=4.5, label=label, **look)  # type: ignore[arg-type]
    for filled in (True, False):
        part = rows[rows["feasible"].astype(bool) == filled]
        axes.plot(
            part["dose"],
            part[column],
            linestyle="none",
            marker=look["marker"],
            color=look["color"],
            fillstyle="full" if filled else "none",
            markersize=4.5 if filled else 5.5,
        )


def _ring(axes: Axes, steered: pd.DataFrame, column: str, chosen: OperatingPoint | None) -> None:
    if chosen is None:
        return
    own = steered[
        (steered["direction"] == chosen.name)
        & (steered["hook_name"] == chosen.hook_name)
        & (steered["strength"] == chosen.strength)
    ]
    axes.plot(
        own["dose"],
        own[column],
        "o",
        markersize=13,
        fillstyle="none",
        color="black",
        markeredgewidth=1.4,
        linestyle="none",
        label="chosen",
    )
