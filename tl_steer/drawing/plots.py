"""Pictures of a steering experiment, each a pure function from a tidy frame to a figure.

The figures belong to nobody else: pyplot's global state is neither read nor changed, and no window
opens. Where a notebook does not show them by itself, `IPython.display.Image(figure_png(figure))`
does. Colours are those of Okabe and Ito, which colour-blind readers can tell apart
(https://jfly.uni-koeln.de/color/); every line has a marker of its own as well.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from tl_steer.errors import DataError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_GREY = "#6b6b6b"
_WIDTH = 6.8  # inches: a column of the report
_LETTER = 0.075  # inches, of a legend


def layer_curve(
    frame: pd.DataFrame,
    *,
    value: str = "auroc",
    label: str = "held-out AUROC",
    baseline: float | None = 0.5,
    chosen: tuple[str, int] | None = None,
) -> Figure:
    """A value by layer, one line a site.

    Args:
        frame: A row for each site and layer, with the columns `site` (such as `hook_mlp_out`),
            `layer` and the one named by `value`.
        value: The column that is drawn.
        label: What the vertical axis says.
        baseline: Where a thin line marks "no information", or None for no line.
        chosen: The site and layer to be ringed.

    Raises:
        DataError: The frame is empty or lacks a column, or `chosen` is not in it.
    """
    _require(frame, "site", "layer", value)
    figure, (axes,) = blank_figure(3.4, 1)
    if baseline is not None:
        _level(axes, baseline)
    for (site, rows), (colour, marker) in zip(_groups(frame, "site"), _looks(), strict=False):
        ordered = rows.sort_values("layer")
        _line(axes, ordered["layer"], ordered[value], colour, marker, site)
    if chosen is not None:
        row = frame[(frame["site"] == chosen[0]) & (frame["layer"] == chosen[1])]
        if row.empty:
            raise DataError(f"chosen={chosen}: no such site and layer in the frame.")
        _ring(axes, row["layer"], row[value], "chosen")
    axes.set(xlabel="layer", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes)
    return figure


def dose_effect(
    frame: pd.DataFrame,
    *,
    limit: float | None = 1.5,
    chosen: tuple[float, ...] = (),
    label: str = "judge, mean",
    by: str = "strength",
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

    Raises:
        DataError: The frame is empty or lacks a column.
    """
    _require(frame, by, "judge", "perplexity_ratio")
    figure, (effect, cost) = blank_figure(5.0, 2)
    _level(effect, 0.5)
    for (series, rows), (colour, marker) in zip(_groups(frame, "series"), _looks(), strict=False):
        ordered = rows.sort_values(by)
        strength = ordered[by]
        if {"low", "high"} <= set(ordered):
            effect.fill_between(
                strength, ordered["low"], ordered["high"], color=colour, alpha=0.15, linewidth=0
            )
        _line(effect, strength, ordered["judge"], colour, marker, series)
        _line(cost, strength, ordered["perplexity_ratio"], colour, marker, series)
    for axes in (effect, cost):
        for strength in chosen:
            axes.axvline(strength, color=_GREY, linewidth=0.9, linestyle=":")
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
            fontsize=8,
        )
    effect.set(ylabel=label, ylim=(-0.02, 1.02))
    cost.set(
        xlabel="relative dose" if by == "dose" else by, ylabel="perplexity,\nratio to unsteered"
    )
    legend_above(effect)
    return figure


def cell_bars(frame: pd.DataFrame, *, label: str = "mean score") -> Figure:
    """Mean scores of the conditions side by side, a bar for each judge.

    Args:
        frame: A row for each condition and judge, with the columns `condition` (negative, none,
            positive, random ...; drawn in the order of first appearance), `judge`, `mean`, and the
            ends of the interval `low` and `high`.
        label: What the vertical axis says.

    Raises:
        DataError: The frame is empty or lacks a column.
    """
    _require(frame, "condition", "judge", "mean", "low", "high")
    conditions = list(dict.fromkeys(frame["condition"]))
    groups = _groups(frame, "judge")
    width = 0.76 / len(groups)
    figure, (axes,) = blank_figure(3.2, 1)
    for index, ((judge, rows), (colour, _)) in enumerate(zip(groups, _looks(), strict=False)):
        centre = np.array([conditions.index(condition) for condition in rows["condition"]])
        at = centre + (index - (len(groups) - 1) / 2) * width
        axes.bar(at, rows["mean"], width * 0.92, color=colour, label=judge)
        # Whiskers from end to end: an interval need not be symmetric about the mean.
        axes.vlines(
            at,
            rows["low"],
            rows["high"],
            color="black",
            linewidth=1.3,
            path_effects=[withStroke(linewidth=3.2, foreground="white")],
        )
        for x, mean, high in zip(at, rows["mean"], rows["high"], strict=True):
            axes.annotate(
                f"{mean:.2f}",
                (x, max(mean, high)),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )
    _level(axes, 0.5)
    axes.set_xticks(range(len(conditions)), [str(condition) for condition in conditions])
    axes.set(ylabel=label, ylim=(0, 1.08), yticks=np.arange(0, 1.01, 0.25))
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    legend_above(axes)
    return figure


def figure_png(figure: Figure, *, dpi: int = 160) -> bytes:
    """The figure as a PNG on white; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _require(frame: pd.DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(f"the frame lacks {missing}; it has {list(frame)}, and needs {columns}.")
    if frame.empty:
        raise DataError("the frame has no rows, so there is nothing to draw.")


def blank_figure(height: float, panels: int) -> tuple[Figure, list[Axes]]:
    """A figure as wide as the report's column, with panels under each other that share an x axis.

    Args:
        height: In inches.
        panels: How many.
    """
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    all_axes = [figure.add_subplot(panels, 1, 1)]
    all_axes += [
        figure.add_subplot(panels, 1, panel, sharex=all_axes[0]) for panel in range(2, panels + 1)
    ]
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
    for axes in all_axes[:-1]:
        axes.tick_params(labelbottom=False)
    return figure, all_axes


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each value, in the order of first appearance; one nameless group without it."""
    if column not in frame:
        return [("", frame)]
    return [(str(name), rows) for name, rows in frame.groupby(column, sort=False)]


def _looks() -> Iterator[tuple[str, str]]:
    return zip(cycle(COLOURS), cycle(_MARKERS), strict=False)


def _line(axes: Axes, x: pd.Series, y: pd.Series, colour: str, marker: str, name: str) -> None:
    axes.plot(x, y, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=name)


def _level(axes: Axes, value: float) -> None:
    axes.axhline(value, color=_GREY, linewidth=0.9, linestyle="--", zorder=1)


def _ring(axes: Axes, x: pd.Series, y: pd.Series, name: str) -> None:
    axes.plot(
        x, y, "o", markersize=12, fillstyle="none", color="black", markeredgewidth=1.4, label=name
    )


def ratio_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Round ratios as ticks: a logarithmic axis over less than a decade has almost none."""
    finite = [value for value in values if np.isfinite(value) and value > 0]
    low, high = min(finite) * 0.93, max(finite) * 1.07
    steps = [0.1, 0.2, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000, 10000]
    if high / low > 8:
        steps = [0.01, 0.1, 0.3, 1, 2, 5, 10, 30, 100, 1000, 10000]
    ticks = [step for step in steps if low <= step <= high]
    axes.set_ylim(low, high)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def legend_above(axes: Axes) -> None:
    """Above the panel, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if any(labels):
        widest = max(map(len, labels)) * _LETTER + 0.55
        axes.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=min(3, max(1, int(_WIDTH // widest))),
            frameon=False,
            fontsize=8.5,
            borderaxespad=0.3,
        )
