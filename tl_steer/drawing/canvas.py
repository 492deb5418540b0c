"""The canvas that every picture is drawn on: its width, its panels, its legend and its title.

Nothing of it belongs to pyplot, whose state is neither read nor changed, and no window opens.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from tl_steer.drawing.colours import GREY, GRID
from tl_steer.drawing.rendering import Picture
from tl_steer.drawing.words import drawable

WIDTH = 4.8
"""Of a picture, in inches: on a telephone it is shown at four fifths of that."""

SMALL = 9.0
"""Points of the smallest letters, but for those in the cells of a map."""

_LETTER = 0.071  # inches, of the mean letter of a legend
_TITLE = 54  # letters of a line of a title
_ABOVE = "above"


def blank_figure(height: float, panels: int) -> tuple[Figure, list[Axes]]:
    """A figure as wide as a page's column, with panels under each other that share an x axis.

    Args:
        height: In inches.
        panels: How many.
    """
    figure = Picture(figsize=(WIDTH, height), layout="constrained")
    several = [figure.add_subplot(panels, 1, 1)]
    several += [
        figure.add_subplot(panels, 1, panel, sharex=several[0]) for panel in range(2, panels + 1)
    ]
    for axes in several:
        plain(axes)
    for axes in several[:-1]:
        axes.tick_params(labelbottom=False)
    return figure, several


def panels(number: int, *, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure as wide as a page's column, its panels in rows; all share their axes.

    Args:
        number: Of panels.
        columns: At most so many in a row.
        height: Of a row, in inches.
    """
    columns = min(columns, number)
    rows = -(-number // columns)
    figure = Picture(figsize=(WIDTH, rows * height), layout="constrained")
    first = figure.add_subplot(rows, columns, 1)
    several = [first] + [
        figure.add_subplot(rows, columns, place, sharex=first, sharey=first)
        for place in range(2, number + 1)
    ]
    for place, axes in enumerate(several):
        plain(axes)
        below = place + columns < number
        axes.tick_params(labelbottom=not below, labelleft=place % columns == 0)
    return figure, several


def single(height: float, *, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one panel of that size, without lines of its own.

    Args:
        height: In inches.
        width: In inches.
    """
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def plain(axes: Axes) -> Axes:
    """Without a frame, over a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL)
    return axes


def titled(figure: Figure, finding: str) -> Figure:
    """Put the sentence that a figure shows above it; the figure grows by its height.

    It is also the figure's label, for whoever cannot see it.

    Args:
        figure: Without a title, its legend in place.
        finding: One sentence; nothing is put there where it is empty.
    """
    lines = textwrap.wrap(drawable(finding), int(_TITLE * figure.get_figwidth() / WIDTH))
    if not lines:
        return figure
    figure.set_label(finding)
    figure.set_figheight(figure.get_figheight() + 0.1 + 0.17 * len(lines))
    above = [legend for legend in figure.legends if legend.get_gid() == _ABOVE]
    if above:
        # A title of the figure would lie on the legend.
        above[0].set_title("\n".join(lines), prop=FontProperties(size=10))
    else:
        figure.suptitle("\n".join(lines), fontsize=10, x=0.01, ha="left", linespacing=1.25)
    return figure


def level(axes: Axes, value: float, label: str = "", *, upright: bool = False) -> None:
    """A thin dashed line at a value that others are compared with."""
    line = axes.axvline if upright else axes.axhline
    line(value, color=GREY, linewidth=0.9, linestyle="--", zorder=1, label=label or "_")


def whole_numbers(axes: Axes) -> None:
    """Layers and steps below, which have no halves."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_above(axes: Axes) -> None:
    """Above the panel, where it hides nothing, in as many columns as have room."""
    handles, labels = axes.get_legend_handles_labels()
    if any(labels):
        axes.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=_columns(labels, WIDTH - 0.7),
            frameon=False,
            fontsize=SMALL,
            borderaxespad=0.3,
            handlelength=1.6,
            columnspacing=1.2,
        )


def legend_outside(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend above all panels, each name once; the figure grows by the legend's height."""
    named: dict[str, Artist] = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if not named:
        return
    columns = _columns(list(named), WIDTH)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.15 + 0.2 * -(-len(named) // columns))
    legend = figure.legend(
        list(named.values()),
        list(named),
        loc="outside upper left",
        alignment="left",
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=1.6,
        columnspacing=1.2,
    )
    legend.set_gid(_ABOVE)


def _columns(labels: Sequence[str], room: float) -> int:
    widest = max(map(len, labels)) * _LETTER + 0.5
    return min(len(labels), max(1, int(room // widest)))


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


def plain_log_axis(axes: Axes) -> None:
    """A logarithmic horizontal axis with round numbers, written out, also within one decade."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0) if high / low < 8 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=steps if high / low < 200 else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
