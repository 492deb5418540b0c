"""What attribution said against what patching found."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.drawing.canvas import SMALL, blank_figure, legend_above
from tl_steer.drawing.colours import COLOURS, GREY


def draw_scatter(frame: pd.DataFrame, rank_correlation: float) -> Figure:
    """Draw both estimates of each site; see :func:`~tl_steer.causal.attribution_scatter`."""
    figure, (axes,) = blank_figure(4.2, 1)
    both = frame[["attribution", "patching", "low", "high"]].to_numpy(dtype=float)
    ends = (float(np.nanmin(both)), float(np.nanmax(both)))
    axes.plot(ends, ends, color=GREY, linewidth=0.9, linestyle="--", zorder=1)
    looks = (("top", COLOURS[1], "o"), ("random", COLOURS[0], "s"))
    for name, colour, marker in looks:
        part = frame[frame["chosen"] == name]
        axes.vlines(part["attribution"], part["low"], part["high"], color=colour, linewidth=1)
        axes.plot(
            part["attribution"], part["patching"], marker, color=colour, markersize=5, label=name
        )
    axes.set(
        xlabel="attribution (estimated effect)",
        ylabel="patching (measured effect)",
    )
    # On the right: the legend stands on the left.
    axes.set_title(f"rank correlation {rank_correlation:.2f}", fontsize=SMALL, loc="right")
    legend_above(axes)
    return figure
