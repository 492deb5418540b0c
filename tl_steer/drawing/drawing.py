"""What the pictures of a report share: panels, a legend outside, and texts that any font can draw.

matplotlib reads a text between dollar signs as a formula, leaves out a legend's entry that begins
with an underscore, and warns of letters that its font lacks. Names and prompts are other people's,
so all of them go through :func:`drawable`.
"""

import re
from typing import Any

from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tl_steer.drawing.plots import COLOURS

GREY = "#6b6b6b"
PALE = "#b9b9b9"
MARKERS = ("o", "s", "^", "D", "v", "P")
WIDTH = 6.8
"""Of the report's column, in inches."""

_DASHES = ("-", "--", "-.")
_LETTER = 0.068  # inches, of the mean letter at the legend's size


def drawable(text: str, limit: int | None = None) -> str:
    """A text as matplotlib draws it: one line, no formula, no letter that the font lacks.

    Args:
        text: Anything.
        limit: At most so many letters; an ellipsis takes the place of those in the middle, for
            names often differ at their ends.
    """
    line = re.sub(r"\s+", " ", text).strip()
    if limit is not None and len(line) > limit:
        head = (2 * limit) // 3
        line = f"{line[:head].rstrip()}…{line[len(line) - (limit - head - 1) :].lstrip()}"
    known = get_font(findfont(FontProperties(family=rcParams["font.family"]))).get_charmap()
    line = "".join(letter if ord(letter) in known else "□" for letter in line)
    # A hair space, which nobody sees: legends leave out what begins with an underscore.
    line = re.sub("^_", "\u200a_", line)
    return line.replace("$", r"\$")


def looks(number: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of that number; the first 18 differ from each other."""
    turn = number // len(COLOURS)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[(number + turn) % len(MARKERS)],
        "linestyle": _DASHES[turn % len(_DASHES)],
    }


def panels(number: int, *, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure as wide as the report's column, its panels in rows; all share their axes.

    Args:
        number: Of panels.
        columns: At most so many in a row.
        height: Of a row, in inches.
    """
    columns = min(columns, number)
    rows = -(-number // columns)
    figure = Figure(figsize=(WIDTH, rows * height), layout="constrained")
    first = figure.add_subplot(rows, columns, 1)
    several = [first] + [
        figure.add_subplot(rows, columns, place, sharex=first, sharey=first)
        for place in range(2, number + 1)
    ]
    for place, axes in enumerate(several):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        below = place + columns < number
        axes.tick_params(labelbottom=not below, labelleft=place % columns == 0)
    return figure, several


def legend_outside(figure: Figure, axes: list[Axes]) -> None:
    """One legend above all panels, each name once; the figure grows by the legend's height."""
    named: dict[str, Artist] = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if not named:
        return
    widest = max(len(label) for label in named) * _LETTER + 0.55
    columns = min(len(named), max(1, int(WIDTH // widest)))
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.15 + 0.19 * -(-len(named) // columns))
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=8.5,
    )


def plain_log_axis(axes: Axes) -> None:
    """A logarithmic horizontal axis with round numbers, written out, also within one decade."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0) if high / low < 8 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=steps if high / low < 200 else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
