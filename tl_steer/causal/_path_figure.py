"""A picture of the ways that an effect goes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tl_steer.drawing.canvas import blank_figure, legend_above
from tl_steer.drawing.colours import COLOURS, GREY

_WIDTH = 0.4


def draw_paths(frame: pd.DataFrame, direct: float, total: float) -> Figure:
    """Draw the parts of an effect; see :func:`~tl_steer.causal.path_figure`."""
    figure, (bars, sums) = blank_figure(5.0, 2)
    looks = (("direct", 0.0, COLOURS[2]), ("attention", -0.5, COLOURS[0]), ("mlp", 0.5, COLOURS[1]))
    for kind, side, colour in looks:
        part = frame[frame["part"] == kind]
        at = part["layer"] + side * _WIDTH
        bars.bar(at, part["effect"], _WIDTH, color=colour, label=kind)
        bars.vlines(at, part["low"], part["high"], color="black", linewidth=1)
    # The attention of a layer comes before its MLP; the direct part is there from the beginning.
    shift = frame["part"].map({"direct": 0.0, "attention": -0.25, "mlp": 0.25})
    reached = frame["effect"].cumsum()
    end = float(frame["layer"].max()) + 0.6
    sums.step(
        [*(frame["layer"] + shift), end],
        [*reached, reached.iloc[-1]],
        where="post",
        color="black",
        linewidth=1.4,
    )
    sums.axhline(direct, color=COLOURS[2], linewidth=1.2, linestyle="--", label="direct")
    sums.axhline(total, color=GREY, linewidth=1.2, linestyle=":", label="total")
    for axes in (bars, sums):
        axes.axhline(0, color="black", linewidth=0.8)
    low, high = sums.get_ylim()
    sums.set_ylim(min(low, 0.0), np.maximum(high, 0.0) * 1.05)
    bars.set(ylabel="change of the metric")
    sums.set(xlabel="layer", ylabel="added up")
    sums.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(bars)
    legend_above(sums)
    return figure
