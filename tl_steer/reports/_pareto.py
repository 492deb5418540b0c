"""What an effect costs: the settings that no other one beats, as a frame and as a picture."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.controls import INSTRUCTION, NONE, ORTHOGONAL, RANDOM, SHUFFLED
from tl_steer.drawing.canvas import legend_outside, panels, plain_log_axis, titled
from tl_steer.drawing.colours import GREY, PALE, looks
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.reports._averages import averaged, unsteered
from tl_steer.reports._figures import LONGEST, named_series


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
        title: What the picture shows, in a sentence.

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
    note = f";\n{lost} settings without a finite one are not drawn" if lost else ""
    axes.set_xlabel(f"perplexity under the unsteered model{note}")
    axes.set_ylabel(f"{drawable(judge, LONGEST)}, mean score")
    legend_outside(figure, several)
    return titled(figure, title)


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
