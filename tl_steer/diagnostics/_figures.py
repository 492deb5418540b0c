"""Pictures of what is known of a direction."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.diagnostics._projected import Projected
from tl_steer.drawing.plots import COLOURS, blank_figure, legend_above
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
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    legend_above(axes)
    return figure


@checked
def similarity_heatmap(frame: pd.DataFrame, *, title: str = "") -> Figure:
    """Cosines as colours, from -1 (blue) over 0 (white) to 1 (red); grey where there is none.

    Args:
        frame: Square, of `between_layers` or `between_estimators`.
        title: Above the picture.

    Raises:
        DataError: For a frame that is empty or not square.
    """
    if frame.empty or len(frame) != len(frame.columns):
        raise DataError(f"Expected a square frame of cosines, got {frame.shape}.")
    size = min(6.8, 3.2 + 0.25 * len(frame))
    figure = Figure(figsize=(size + 1.2, size), layout="constrained")
    axes = figure.add_subplot()
    colours = colormaps["RdBu_r"].with_extremes(bad="#b0b0b0")
    values = frame.to_numpy(dtype=float)
    image = axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=-1, vmax=1)
    step = -(-len(frame) // 16)
    ticks, names = range(0, len(frame), step), _short([str(name) for name in frame.columns])
    axes.set_xticks(ticks, names[::step], rotation=90, fontsize=8)
    axes.set_yticks(ticks, names[::step], fontsize=8)
    if len(frame) <= _NUMBERED:
        for (row, column), value in np.ndenumerate(values):
            dark = "white" if abs(value) > 0.6 else "black"
            label = "–" if np.isnan(value) else f"{value:.2f}"
            axes.text(column, row, label, ha="center", va="center", fontsize=8, color=dark)
    figure.colorbar(image, ax=axes, label="cosine", shrink=0.8)
    axes.set_title(title, fontsize=10, loc="left")
    return figure


def _short(names: list[str]) -> list[str]:
    """Hook names of one site without what they share: the layer's number."""
    parts = [name.split(".") for name in names]
    same = len({tuple(part[:1] + part[2:]) for part in parts}) == 1
    if len(names) > 1 and same and all(part[0] == "blocks" for part in parts):
        return [part[1] for part in parts]
    return [name.removeprefix("blocks.") for name in names]
