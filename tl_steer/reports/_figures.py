"""What a dose does, and what it costs: pictures of a sweep, pure functions from its cells.

No figure belongs to pyplot. Colours are those of Okabe and Ito, each line has a marker of its own,
and controls are grey.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.controls import INSTRUCTION, NONE, ORTHOGONAL, RANDOM, SHUFFLED
from tl_steer.drawing.drawing import (
    GREY,
    PALE,
    drawable,
    legend_outside,
    looks,
    panels,
    plain_log_axis,
)
from tl_steer.errors import DataError
from tl_steer.reports._averages import averaged, unsteered

_DASHES = {RANDOM: "-", SHUFFLED: "--", ORTHOGONAL: ":"}
_LONGEST = 34  # letters of a name in a legend


@checked
def dose_effect_curves(cells: pd.DataFrame, judge: str) -> Figure:
    """The judge's mean score against the relative dose; a line a direction, a panel a hook point.

    Each line passes through the level without steering at dose 0, for strength 0 is nothing. Grey
    lines are controls, and the grey band reaches from the lowest to the highest of the random
    directions at each dose. Where there are several prompt sets or seeds, their mean is drawn; see
    :func:`~tl_steer.reports._averages.averaged`.

    Args:
        cells: As in ``SweepResult.cells``.
        judge: The column of its mean scores; the shaded interval is that of ``<judge>_low`` and
            ``<judge>_high``.

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
    figure, several = panels(len(hook_names), columns=2, height=3.1 if len(hook_names) < 2 else 2.5)
    for axes, hook_name in zip(several, hook_names, strict=True):
        own = steered[steered["hook_name"] == hook_name]
        _control_curves(axes, own, level)
        for number, (name, rows) in enumerate(lines):
            here = rows[rows["hook_name"] == hook_name]
            if len(here):
                _curve(axes, _through_zero(here, level), name, looks(number))
        if np.isfinite(level):
            axes.axhline(level, color="black", linewidth=1, linestyle="--", label="no steering")
        asked = settings.loc[settings["kind"] == INSTRUCTION, "score"]
        if len(asked):
            axes.axhline(
                float(asked.mean()), color=GREY, linewidth=1.2, linestyle="-.", label="instruction"
            )
        axes.set_title(drawable(str(hook_name), 42), fontsize=9, loc="left")
    figure.supxlabel("relative dose ‖αv‖ / ‖h‖, signed", fontsize=9.5)
    figure.supylabel(f"{drawable(judge, _LONGEST)}, mean score", fontsize=9.5)
    legend_outside(figure, several)
    return figure


@checked
def pareto(cells: pd.DataFrame, judge: str, *, higher: bool = True) -> pd.DataFrame:
    """The settings that no other one beats: none with as much effect has a lower perplexity.

    Settings that do less than no steering does have no place on it, however cheap.

    Args:
        cells: As in ``SweepResult.cells``; controls are left out, no steering takes part.
        judge: The column of its mean scores.
        higher: Whether more of the judge's score is wanted, or less.

    Returns:
        Rows as from :func:`~tl_steer.reports._averages.averaged`, by rising perplexity.

    Raises:
        DataError: The frame is empty, lacks a column, or has no setting with a score and a finite
            perplexity.
    """
    settings = _measured(averaged(cells, judge))
    own = settings[settings["kind"].isin(["direction", NONE])]
    return _front(own, higher=higher).reset_index(drop=True)


@checked
def pareto_front(
    cells: pd.DataFrame, judge: str, *, limit: float | None = 1.5, title: str = ""
) -> Figure:
    """Effect against cost: each setting's mean score and perplexity, and what no other one beats.

    A filled marker is a positive dose, a hollow one a negative dose; the black line is the front
    towards higher scores, the dashed one, drawn where there are negative doses, that towards lower
    scores. Grey points are controls: where they reach a front, it shows nothing.

    Args:
        cells: As in ``SweepResult.cells``.
        judge: The column of its mean scores.
        limit: The highest perplexity that is accepted, as a ratio to that of unsteered text; a
            vertical line, or None for none.
        title: Above the panel.

    Raises:
        DataError: As :func:`pareto`.
    """
    settings = averaged(cells, judge)
    drawn = _measured(settings)
    figure, several = panels(1, columns=1, height=3.7)
    axes = several[0]
    for place, (kind, marker) in enumerate(((RANDOM, "."), (SHUFFLED, "x"), (ORTHOGONAL, "+"))):
        rows = drawn[drawn["kind"] == kind]
        if len(rows):
            label = f"{kind} ({rows['direction'].nunique()})"
            axes.plot(
                rows["perplexity"],
                rows["score"],
                marker,
                color=(PALE, GREY, GREY)[place],
                markersize=5,
                label=label,
                zorder=1,
            )
    own = drawn[drawn["kind"] == "direction"]
    # By all settings, so that a direction looks the same here as among the curves.
    for number, (name, rows) in enumerate(named_series(settings)):
        _points(axes, rows.loc[rows.index.intersection(drawn.index)], name, number)
    _fronts(axes, drawn)
    if (own["dose"] < 0).any():
        axes.plot([], [], "o", color=GREY, fillstyle="none", label="hollow: negative dose")
    for kind, marker in ((NONE, "*"), (INSTRUCTION, "X")):
        rows = drawn[drawn["kind"] == kind]
        if len(rows):
            label = "no steering" if kind == NONE else kind
            axes.plot(
                [rows["perplexity"].mean()],
                [rows["score"].mean()],
                marker,
                color="black",
                markersize=11 if kind == NONE else 8,
                label=label,
                zorder=5,
                linestyle="none",
            )
    base = unsteered(drawn, "perplexity")
    if limit is not None and np.isfinite(base):
        axes.axvline(
            base * limit, color=GREY, linewidth=1, linestyle=":", label=f"limit, {limit:g}×"
        )
    plain_log_axis(axes)
    lost = len(settings) - len(drawn)
    note = f"; {lost} settings without a finite one are not drawn" if lost else ""
    axes.set_xlabel(f"perplexity under the unsteered model{note}")
    axes.set_ylabel(f"{drawable(judge, _LONGEST)}, mean score")
    axes.set_title(drawable(title, 80), fontsize=9, loc="left")
    legend_outside(figure, several)
    return figure


def named_series(settings: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The settings of each direction, and of each scope where there are several, with a label.

    Args:
        settings: As from :func:`~tl_steer.reports._averages.averaged`.
    """
    own = settings[settings["kind"] == "direction"]
    by = ["direction", "scope"] if own["scope"].nunique() > 1 else ["direction"]
    found: list[tuple[str, pd.DataFrame]] = []
    for parts, rows in own.groupby(by, sort=False):
        label = drawable(", ".join(str(part) for part in parts), _LONGEST)
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


def _curve(axes: Axes, rows: pd.DataFrame, name: str, look: dict[str, Any]) -> None:
    known = rows[rows["low"].notna() & rows["high"].notna()]
    axes.fill_between(
        known["dose"], known["low"], known["high"], color=look["color"], alpha=0.13, linewidth=0
    )
    axes.plot(rows["dose"], rows["score"], markersize=4.5, linewidth=1.7, label=name, **look)


def _control_curves(axes: Axes, settings: pd.DataFrame, level: float) -> None:
    for kind, dashes in _DASHES.items():
        own = settings[settings["kind"] == kind]
        if own.empty:
            continue
        curves = [_through_zero(rows, level) for _, rows in own.groupby(["direction", "scope"])]
        for curve in curves:
            axes.plot(curve["dose"], curve["score"], dashes, color=PALE, linewidth=0.6, zorder=1)
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
                alpha=0.4,
                linewidth=0,
                label=label,
            )
        else:
            axes.plot([], [], dashes, color=GREY, linewidth=1, label=label)


def _measured(settings: pd.DataFrame) -> pd.DataFrame:
    found = settings[settings["perplexity"].notna() & settings["score"].notna()]
    if found.empty:
        raise DataError(
            "no setting has a score and a finite perplexity, so that effect and cost cannot be "
            "compared. Measure perplexity, or leave this picture out."
        )
    return found


def _front(settings: pd.DataFrame, *, higher: bool) -> pd.DataFrame:
    """By rising perplexity, each setting that does more than all cheaper ones."""
    gain = settings["score"] if higher else -settings["score"]
    wanted = settings.assign(gain=gain)
    base = wanted.loc[wanted["kind"] == NONE, "gain"].mean()
    if np.isfinite(base):
        wanted = wanted[wanted["gain"] >= base]
    ordered = wanted.sort_values(["perplexity", "gain"], ascending=[True, False], kind="stable")
    before = ordered["gain"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["gain"] > before].drop(columns="gain")


def _points(axes: Axes, rows: pd.DataFrame, name: str, number: int) -> None:
    look = looks(number)
    for filled, own in ((True, rows[~(rows["dose"] < 0)]), (False, rows[rows["dose"] < 0])):
        axes.plot(
            own["perplexity"],
            own["score"],
            marker=look["marker"],
            color=look["color"],
            fillstyle="full" if filled else "none",
            linestyle="none",
            markersize=5.5,
            label=name if filled or rows["dose"].lt(0).all() else "_",
            zorder=3,
        )


def _fronts(axes: Axes, drawn: pd.DataFrame) -> None:
    own = drawn[drawn["kind"].isin(["direction", NONE])]
    ways = [(True, "-", "front, higher")]
    if (own["dose"] < 0).any():
        ways.append((False, "--", "front, lower"))
    for higher, dashes, label in ways:
        front = _front(own, higher=higher)
        axes.plot(
            front["perplexity"],
            front["score"],
            dashes,
            color="black",
            linewidth=1.1,
            drawstyle="steps-post",
            label=label,
            zorder=2,
        )
