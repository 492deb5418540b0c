"""Pictures of what people said."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.drawing.canvas import blank_figure, level, titled
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.words import drawable
from tl_steer.people._question import Question

_ROW = 0.42  # inches a condition


def rating_figure(summary: pd.DataFrame, texts: pd.DataFrame, question: Question) -> Figure:
    """Mean ratings with their intervals, over the ratings of the texts.

    Args:
        summary: Of single texts.
        texts: Mean rating of each text.
        question: Gives the scale.
    """
    figure, (axes,) = blank_figure(1.1 + _ROW * len(summary), 1)
    rng = np.random.default_rng(0)
    for place, name in enumerate(summary.index):
        own = texts.loc[texts["condition"] == name, "rating"].to_numpy(float)
        # Ratings are few numbers: without a little noise across, texts would hide one another.
        height = place + rng.uniform(-0.24, 0.24, len(own))
        axes.plot(own, height, ".", color=COLOURS[0], alpha=0.4, markersize=7, markeredgewidth=0)
    _intervals(axes, summary, "rating")
    low, high = question.low, question.high
    margin = 0.06 * (high - low)
    axes.set(xlim=(low - margin, high + margin), xlabel=f"{low} to {high}")
    if question.low_label and question.high_label:
        axes.set(xlabel=drawable(f"{low} = {question.low_label}, {high} = {question.high_label}"))
    axes.set_xticks(range(low, high + 1))
    return titled(figure, question.text)


def preference_figure(summary: pd.DataFrame, question: Question) -> Figure:
    """Shares of pairs in which each condition was preferred, with their intervals.

    Args:
        summary: Of pairs.
        question: What was asked.
    """
    figure, (axes,) = blank_figure(1.1 + _ROW * len(summary), 1)
    level(axes, 0.5, upright=True)
    _intervals(axes, summary, "preferred")
    axes.set(xlim=(-0.03, 1.03), xlabel="share of pairs in which it was preferred")
    return titled(figure, question.text)


def _intervals(axes: Axes, summary: pd.DataFrame, column: str) -> None:
    height = np.arange(len(summary))
    axes.hlines(height, summary["low"], summary["high"], color=COLOURS[1], linewidth=2.4)
    axes.plot(summary[column], height, "o", color=COLOURS[1], markersize=7)
    axes.set_yticks(height, [drawable(str(name), 24) for name in summary.index])
    axes.set_ylim(len(summary) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
