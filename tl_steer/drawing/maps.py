"""Maps: numbers as colours, in rows and columns."""

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from tl_steer.drawing.canvas import SMALL
from tl_steer.drawing.colours import DIVERGING, NOT_RUN

Numbers = Float[np.ndarray, "row column"]

_LEVELS = 33


def heat(
    axes: Axes,
    values: Numbers,
    *,
    limit: float,
    upwards: bool = False,
) -> QuadMesh:
    """A map of signed numbers: white at 0, brown below, violet above, grey where there is none.

    The middle of the cell in row ``i`` and column ``j`` lies at ``(j, i)``.

    Args:
        axes: Where it is drawn.
        values: Rows and columns; NaN where there is no number.
        limit: The number that has the strongest colour.
        upwards: Whether the first row lies at the bottom.
    """
    rows, columns = values.shape
    drawn = axes.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(values),
        # So few that a scale of them is drawn as a vector graphic, too; odd, for white at 0.
        cmap=colormaps[DIVERGING].resampled(_LEVELS).with_extremes(bad=NOT_RUN),
        vmin=-limit,
        vmax=limit,
        # Vector graphics have seams between cells without.
        edgecolors="face",
        linewidth=0.4,
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL)
    if not upwards:
        axes.invert_yaxis()
    return drawn


def scale(drawn: QuadMesh, figure: Figure, label: str) -> None:
    """What the colours of a map mean, at its right.

    Args:
        drawn: The map.
        figure: With it; of several maps, they share the scale.
        label: With the unit.
    """
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.9, fraction=0.05, pad=0.02)
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_edgecolor("face")


def written_in(axes: Axes, column: float, row: float, text: str, *, share: float) -> None:
    """A number in a cell of a map, in white or black by the cell's own colour, on every page.

    Args:
        axes: With a map.
        column: Of the cell.
        row: Of the cell.
        text: The number.
        share: The cell's value, as a share of the limit.
    """
    # Not black itself, which is the colour of the page's text.
    colour = "#ffffff" if abs(share) > 0.6 else "#1a1a1a"
    axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
