"""A picture of how a training went."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tl_steer.arguments import checked
from tl_steer.drawing.canvas import blank_figure, legend_above
from tl_steer.drawing.colours import COLOURS
from tl_steer.errors import DataError


@checked
def training_curve(losses: pd.DataFrame) -> Figure:
    """Draw the loss by step: a line for what was trained on, dots for what was held out.

    Args:
        losses: A row for each step, with ``step``, ``train`` and ``held_out`` (NaN where it was not
            measured); with ``vector``, each of its values gets a colour.

    Raises:
        DataError: The frame is empty or lacks a column.
    """
    missing = [column for column in ("step", "train", "held_out") if column not in losses]
    if missing or losses.empty:
        raise DataError(
            f"the frame lacks {missing or 'rows'}. Give a row for each step, with step, train and "
            "held_out."
        )
    figure, (axes,) = blank_figure(3.2, 1)
    several = "vector" in losses
    groups = losses.groupby("vector", sort=False) if several else [("", losses)]
    for number, (name, rows) in enumerate(groups):
        colour = COLOURS[number % len(COLOURS)]
        label = f"vector {name}" if several else "trained on"
        axes.plot(rows["step"], rows["train"], color=colour, linewidth=1.4, label=label)
        measured = rows.dropna(subset="held_out")
        if not measured.empty:
            axes.plot(
                measured["step"],
                measured["held_out"],
                color=colour if several else COLOURS[1],
                marker="o",
                markersize=4.5,
                linestyle="--",
                linewidth=1.2,
                label=f"{label}, held out" if several else "held out",
            )
    axes.set(xlabel="step", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes)
    return figure
