"""The ROC curve of a threshold, as a picture."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import auc

from tl_steer.arguments import checked
from tl_steer.drawing.canvas import blank_figure, legend_above
from tl_steer.drawing.colours import COLOURS, GREY
from tl_steer.scopes import Threshold


@checked
def roc_figure(threshold: Threshold) -> Figure:
    """Hits against false fires over all thresholds, with the chosen one ringed.

    The diagonal is chance: a condition on it fires as often where it should as where it should not.

    Args:
        threshold: As ``fit_threshold`` found it.
    """
    curve = threshold.curve
    area = float(auc(curve["false_fires"], curve["hits"]))
    figure, (axes,) = blank_figure(3.8, 1)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle="--", label="chance")
    axes.step(
        curve["false_fires"],
        curve["hits"],
        where="post",
        color=COLOURS[0],
        linewidth=1.8,
        label=f"AUROC {area:.3f}",
    )
    axes.plot(
        [threshold.false_fires],
        [threshold.hits],
        "o",
        markersize=12,
        fillstyle="none",
        color="black",
        markeredgewidth=1.4,
        label=f"above {threshold.value:.3g}",
    )
    axes.set(
        xlabel="false fires, share of the negative texts",
        ylabel="hits, share of the positive texts",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        xticks=np.arange(0, 1.01, 0.25),
        yticks=np.arange(0, 1.01, 0.25),
    )
    legend_above(axes)
    return figure
