"""Pictures of what is known of a direction."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.diagnostics._projected import Projected
from tl_steer.drawing.canvas import SMALL, blank_figure, legend_above, single, titled
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.maps import heat, scale, written_in
from tl_steer.errors import DataError

_NUMBERED = 10


def histogram(found: Projected, *, title: str, notes: str) -> Figure:
    """How the projections of the two classes lie beside each other.

    Args:
        found: Held-out projections at one hook point.
        title: Above the picture.
        notes: Lines of text to the right of it.
    """
    figure, (axes,) = blank_figure(3.4, 1)
    edges = np.histogram_bin_edges(found.values, bins=min(30, 6 + len(found.values) // 8))
    sides = {"positive": found.positive, "negative": found.negative}
    looks = ((COLOURS[1], True, "-"), (COLOURS[0], False, "--"))
    for (name, values), (colour, filled, line) in zip(sides.items(), looks, strict=True):
        # Shares, so that classes of unequal size are as high; filled or dashed, without colour.
        axes.hist(
            values,
            bins=list(edges),
            weights=np.full(len(values), 1 / len(values)),
            histtype="stepfilled" if filled else "step",
            color=colour,
            alpha=0.45 if filled else 1.0,
            linewidth=1.8,
            linestyle=line,
            label=f"{name} ({len(values)})",
        )
        axes.axvline(float(values.mean()), color=colour, linewidth=1.4, linestyle=line)
    axes.set(xlabel="held-out projection h·v̂, in activation units", ylabel="share of the class")
    axes.annotate(
        notes,
        (1.02, 1),
        xycoords="axes fraction",
        va="top",
        fontsize=8.5,
        linespacing=1.5,
    )
    legend_above(axes)
    return titled(figure, title)


@checked
def similarity_heatmap(frame: pd.DataFrame, *, title: str = "") -> Figure:
    """Cosines as colours, from -1 (brown) over 0 (white) to 1 (violet); grey where there is none.

    Args:
        frame: Square, of `between_layers` or `between_estimators`.
        title: Above the picture.

    Raises:
        DataError: For a frame that is empty or not square.
    """
    if frame.empty or len(frame) != len(frame.columns):
        raise DataError(f"Expected a square frame of cosines, got {frame.shape}.")
    size = min(5.0, 2.8 + 0.2 * len(frame))
    figure, axes = single(size)
    values = frame.to_numpy(dtype=float)
    drawn = heat(axes, values, limit=1.0)
    step = -(-len(frame) // 16)
    ticks, names = range(0, len(frame), step), _short([str(name) for name in frame.columns])
    axes.set_xticks(ticks, names[::step], rotation=90, fontsize=SMALL)
    axes.set_yticks(ticks, names[::step], fontsize=SMALL)
    if len(frame) <= _NUMBERED:
        for (row, column), value in np.ndenumerate(values):
            label = "–" if np.isnan(value) else f"{value:.2f}"
            written_in(axes, column, row, label, share=0.0 if np.isnan(value) else value)
    scale(drawn, figure, "cosine")
    return titled(figure, title)


def _short(names: list[str]) -> list[str]:
    """Hook names of one site without what they share: the layer's number."""
    parts = [name.split(".") for name in names]
    same = len({tuple(part[:1] + part[2:]) for part in parts}) == 1
    if len(names) > 1 and same and all(part[0] == "blocks" for part in parts):
        return [part[1] for part in parts]
    return [name.removeprefix("blocks.") for name in names]
