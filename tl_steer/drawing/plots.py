"""Pictures of a steering experiment, each a pure function from a tidy frame to a figure."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.drawing.canvas import (
    SMALL,
    blank_figure,
    legend_above,
    level,
    ratio_ticks,
    titled,
    whole_numbers,
)
from tl_steer.drawing.colours import COLOURS, GREY, looks
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError

_UPRIGHT = 4  # conditions whose names have room side by side


def layer_curve(
    frame: pd.DataFrame,
    *,
    value: str = "auroc",
    label: str = "held-out AUROC",
    baseline: float | None = 0.5,
    chosen: tuple[str, int] | None = None,
    title: str = "",
) -> Figure:
    """A value by layer, one line a site.

    Args:
        frame: A row for each site and layer, with the columns `site` (such as `hook_mlp_out`),
            `layer` and the one named by `value`.
        value: The column that is drawn.
        label: What the vertical axis says.
        baseline: Where a thin line marks "no information", or None for no line.
        chosen: The site and layer to be ringed.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: The frame is empty or lacks a column, or `chosen` is not in it.
    """
    _require(frame, "site", "layer", value)
    figure, (axes,) = blank_figure(3.4, 1)
    if baseline is not None:
        level(axes, baseline)
    for number, (site, rows) in enumerate(_groups(frame, "site")):
        ordered = rows.sort_values("layer")
        _line(axes, ordered["layer"], ordered[value], number, site)
    if chosen is not None:
        row = frame[(frame["site"] == chosen[0]) & (frame["layer"] == chosen[1])]
        if row.empty:
            raise DataError(f"chosen={chosen}: no such site and layer in the frame.")
        _ring(axes, row["layer"], row[value], "chosen")
    axes.set(xlabel="layer", ylabel=label)
    whole_numbers(axes)
    legend_above(axes)
    return titled(figure, title)


def dose_effect(
    frame: pd.DataFrame,
    *,
    limit: float | None = 1.5,
    chosen: tuple[float, ...] = (),
    label: str = "judge, mean",
    by: str = "strength",
    title: str = "",
) -> Figure:
    """What a dose does, and what it costs: the judge's mean, and perplexity, against strength.

    Args:
        frame: A row for each strength, with the columns `strength` (or what `by` says), `judge`
            (the mean score, 0 to 1) and `perplexity_ratio` (to that of unsteered text); with `low`
            and `high` an interval is shaded around the judge's mean; with `series` there is a line
            for each of its values.
        limit: The highest perplexity ratio that is accepted; None draws no line.
        chosen: Strengths that are marked in both panels.
        label: What the upper vertical axis says.
        by: The column that the horizontal axis shows: `strength` or `dose`.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: The frame is empty or lacks a column.
    """
    _require(frame, by, "judge", "perplexity_ratio")
    figure, (effect, cost) = blank_figure(5.0, 2)
    level(effect, 0.5)
    for number, (series, rows) in enumerate(_groups(frame, "series")):
        ordered = rows.sort_values(by)
        strength = ordered[by]
        if {"low", "high"} <= set(ordered):
            effect.fill_between(
                strength,
                ordered["low"],
                ordered["high"],
                color=looks(number)["color"],
                alpha=0.15,
                linewidth=0,
            )
        _line(effect, strength, ordered["judge"], number, series)
        _line(cost, strength, ordered["perplexity_ratio"], number, series)
    for axes in (effect, cost):
        for strength in chosen:
            axes.axvline(strength, color=GREY, linewidth=0.9, linestyle=":")
    cost.set_yscale("log")
    ratio_ticks(cost, [*frame["perplexity_ratio"], 1.0, limit or 1.0])
    if limit is not None:
        cost.axhline(limit, color="black", linewidth=1, linestyle="--")
        # Outside, at the end of the line: no curve passes there.
        cost.annotate(
            f"limit\n{limit:g}×",
            (1, limit),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    effect.set(ylabel=label, ylim=(-0.02, 1.02))
    cost.set(
        xlabel="relative dose" if by == "dose" else by, ylabel="perplexity,\nratio to unsteered"
    )
    legend_above(effect)
    return titled(figure, title)


def cell_bars(frame: pd.DataFrame, *, label: str = "mean score, 0 to 1", title: str = "") -> Figure:
    """Mean scores of the conditions side by side, a bar for each judge.

    Args:
        frame: A row for each condition and judge, with the columns `condition` (negative, none,
            positive, random ...; drawn in the order of first appearance), `judge`, `mean`, and the
            ends of the interval `low` and `high`.
        label: What the vertical axis says.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: The frame is empty or lacks a column.
    """
    _require(frame, "condition", "judge", "mean", "low", "high")
    conditions = list(dict.fromkeys(frame["condition"]))
    groups = _groups(frame, "judge")
    width = 0.76 / len(groups)
    figure, (axes,) = blank_figure(3.2, 1)
    for index, (judge, rows) in enumerate(groups):
        centre = np.array([conditions.index(condition) for condition in rows["condition"]])
        at = centre + (index - (len(groups) - 1) / 2) * width
        axes.bar(
            at,
            rows["mean"],
            width * 0.92,
            color=COLOURS[index % len(COLOURS)],
            label=drawable(judge),
        )
        # Whiskers from end to end: an interval need not be symmetric about the mean.
        axes.vlines(
            at,
            rows["low"],
            rows["high"],
            color="black",
            linewidth=1.3,
        )
        for x, mean, high in zip(at, rows["mean"], rows["high"], strict=True):
            axes.annotate(
                f"{mean:.2f}",
                (x, max(mean, high)),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )
    level(axes, 0.5)
    crowded = len(conditions) > _UPRIGHT
    axes.set_xticks(
        range(len(conditions)),
        [drawable(str(condition), 24 if crowded else 14) for condition in conditions],
        rotation=40 if crowded else 0,
        ha="right" if crowded else "center",
        rotation_mode="anchor",
    )
    axes.set(ylabel=label, ylim=(0, 1.08), yticks=np.arange(0, 1.01, 0.25))
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    legend_above(axes)
    return titled(figure, title)


def _require(frame: pd.DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(f"the frame lacks {missing}; it has {list(frame)}, and needs {columns}.")
    if frame.empty:
        raise DataError("the frame has no rows, so there is nothing to draw.")


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each value, in the order of first appearance; one nameless group without it."""
    if column not in frame:
        return [("", frame)]
    return [(str(name), rows) for name, rows in frame.groupby(column, sort=False)]


def _line(axes: Axes, x: pd.Series, y: pd.Series, number: int, name: str) -> None:
    axes.plot(x, y, markersize=4.5, linewidth=1.6, label=drawable(name), **looks(number))


def _ring(axes: Axes, x: pd.Series, y: pd.Series, name: str) -> None:
    axes.plot(
        x, y, "o", markersize=12, fillstyle="none", color="black", markeredgewidth=1.4, label=name
    )
