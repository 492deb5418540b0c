"""What a dose does: a picture of a sweep, a pure function from its cells.

No figure belongs to pyplot. Colours are those of Okabe and Ito, each line has a marker of its own,
and controls are grey.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.controls import INSTRUCTION, NONE, ORTHOGONAL, RANDOM, SHUFFLED
from tl_steer.drawing.canvas import SMALL, legend_outside, panels, titled
from tl_steer.drawing.colours import GREY, GRID, PALE, looks
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.reports._averages import averaged, unsteered

_DASHES = {RANDOM: "-", SHUFFLED: "--", ORTHOGONAL: ":"}
LONGEST = 34
"""Letters of a name in a legend."""

_MOST_PANELS = 12


@checked
def dose_effect_curves(cells: pd.DataFrame, judge: str, *, title: str = "") -> Figure:
    """The judge's mean score against the relative dose; a line a direction, a panel a hook point.

    Intervals that would hide one another stand apart: of several directions, each has a panel of
    its own at each hook point, where the others are faint. Where these would be more than twelve
    panels, no interval is drawn.

    Each line passes through the level without steering at dose 0, for strength 0 is nothing. Grey
    lines are controls, and the grey band reaches from the lowest to the highest of the random
    directions at each dose. Where there are several prompt sets or seeds, their mean is drawn; see
    :func:`~tl_steer.reports._averages.averaged`.

    Args:
        cells: As in ``SweepResult.cells``.
        judge: The column of its mean scores; the shaded interval is that of ``<judge>_low`` and
            ``<judge>_high``.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: The frame is empty, lacks a column, or has no setting with a direction.
    """
    settings = averaged(cells, judge)
    level = unsteered(settings)
    steered = settings[~settings["kind"].isin([NONE, INSTRUCTION])]
    if steered.empty:
        raise DataError("there is no direction in the cells, so that no curve can be drawn.")
    hook_names = list(steered.sort_values("layer", kind="stable")["hook_name"].unique())
    lines = named_series(steered)
    shown = _panels(hook_names, lines)
    figure, several = panels(len(shown), columns=2, height=3.1 if len(shown) < 2 else 2.0)
    asked = settings.loc[settings["kind"] == INSTRUCTION, "score"]
    for axes, (hook_name, banded) in zip(several, shown, strict=True):
        _control_curves(axes, steered[steered["hook_name"] == hook_name], level)
        for number, (name, rows) in enumerate(lines):
            here = rows[rows["hook_name"] == hook_name]
            if len(here):
                band = banded == name or len(lines) == 1
                faint = banded is not None and not band
                _curve(axes, _through_zero(here, level), name, looks(number), band, faint)
        if np.isfinite(level):
            axes.axhline(level, color="black", linewidth=1, linestyle="--", label="no steering")
        if len(asked):
            axes.axhline(
                float(asked.mean()), color=GREY, linewidth=1.2, linestyle="-.", label="instruction"
            )
        named = [drawable(str(hook_name), 36)] * (len(hook_names) > 1 or banded is None)
        heading = [*([banded] if banded else []), *named]
        axes.set_title("\n".join(heading), fontsize=SMALL, loc="left")
    figure.supxlabel("relative dose ‖αv‖ / ‖h‖, signed", fontsize=10)
    figure.supylabel(f"{drawable(judge, LONGEST)}, mean score", fontsize=10)
    legend_outside(figure, several)
    return titled(figure, title)


def _panels(
    hook_names: Sequence[str], lines: Sequence[tuple[str, pd.DataFrame]]
) -> list[tuple[str, str | None]]:
    """Hook points, and whose band is drawn there: that of one direction a panel, or of none."""
    each = [
        (hook_name, name)
        for hook_name in hook_names
        for name, rows in lines
        if hook_name in set(rows["hook_name"])
    ]
    if len(lines) > 1 and len(each) <= _MOST_PANELS:
        return list(each)
    return [(hook_name, None) for hook_name in hook_names]


def named_series(settings: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The settings of each direction, and of each scope where there are several, with a label.

    Args:
        settings: As from :func:`~tl_steer.reports._averages.averaged`.
    """
    own = settings[settings["kind"] == "direction"]
    by = ["direction", "scope"] if own["scope"].nunique() > 1 else ["direction"]
    found: list[tuple[str, pd.DataFrame]] = []
    for parts, rows in own.groupby(by, sort=False):
        label = drawable(", ".join(str(part) for part in parts), LONGEST)
        # Two long names may begin alike.
        alike = sum(other.startswith(label) for other, _ in found)
        found.append((f"{label} ({alike + 1})" if alike else label, rows))
    return found


def _through_zero(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """With a point at dose 0, which is no steering bit for bit."""
    rows = rows[["dose", "score", "low", "high"]]
    if np.isfinite(level) and not (rows["dose"] == 0).any():
        nothing = {"dose": [0.0], "score": [level], "low": [np.nan], "high": [np.nan]}
        rows = pd.concat([rows, pd.DataFrame(nothing)])
    return rows.sort_values("dose")


def _curve(
    axes: Axes, rows: pd.DataFrame, name: str, look: dict[str, Any], band: bool, faint: bool
) -> None:
    known = rows[rows["low"].notna() & rows["high"].notna()]
    if band:
        axes.fill_between(
            known["dose"], known["low"], known["high"], color=look["color"], alpha=0.2, linewidth=0
        )
    size, width, alpha = (2.5, 1.0, 0.45) if faint else (4.5, 1.7, 1.0)
    more: dict[str, Any] = {"markersize": size, "linewidth": width, "alpha": alpha, "label": name}
    axes.plot(rows["dose"], rows["score"], **look, **more)


def _control_curves(axes: Axes, settings: pd.DataFrame, level: float) -> None:
    for kind, dashes in _DASHES.items():
        own = settings[settings["kind"] == kind]
        if own.empty:
            continue
        curves = [_through_zero(rows, level) for _, rows in own.groupby(["direction", "scope"])]
        for curve in curves:
            axes.plot(curve["dose"], curve["score"], dashes, color=GRID, linewidth=0.6, zorder=1)
        label = f"{kind} ({own['direction'].nunique()})"
        if kind == RANDOM:
            # Doses that differ by rounding alone are one.
            joined = pd.concat(curves).assign(dose=lambda rows: rows["dose"].round(4))
            band = joined.groupby("dose")["score"].agg(["min", "max", "count"]).dropna()
            band = band[band["count"] == len(curves)]
            axes.fill_between(
                band.index,
                band["min"],
                band["max"],
                color=PALE,
                linewidth=0,
                label=label,
            )
        else:
            axes.plot([], [], dashes, color=GREY, linewidth=1, label=label)
