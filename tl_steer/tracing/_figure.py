"""Projections over the tokens of a text, prompt and continuation set apart."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from tl_steer.drawing.canvas import blank_figure, legend_above
from tl_steer.drawing.colours import looks
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.tracing._shown import Series, label_of
from tl_steer.tracing._text import TracedText

_MOST = 6


def tokens_figure(
    texts: Sequence[TracedText], series: Sequence[Series], prompt_index: int, sample: int
) -> Figure:
    """A panel for each direction at each hook point, the last for the KL; a line a condition.

    Of many hook points, some are drawn, spread evenly from the first to the last.

    Raises:
        DataError: For a prompt or sample that was not traced, or where nothing can be drawn.
    """
    own = [e for e in texts if (e.prompt_index, e.sample) == (prompt_index, sample)]
    if not own:
        prompts = 1 + max(each.prompt_index for each in texts)
        samples = 1 + max(each.sample for each in texts)
        raise DataError(
            f"prompt_index={prompt_index}, sample={sample}: there are prompts 0 to {prompts - 1}, "
            f"and samples 0 to {samples - 1}."
        )
    if len(series) > _MOST:
        places = np.linspace(0, len(series) - 1, _MOST).round().astype(int)
        series = [series[place] for place in places]
    diverge = any(np.nansum(each.kl) > 0 for each in own)
    panels = len(series) + diverge
    if not panels:
        raise DataError(
            "no direction was looked along, and nothing differs from the unsteered model; give "
            "directions= to trace(...)."
        )
    figure, all_axes = blank_figure(0.7 + 1.25 * panels, panels)
    for axes, each in zip(all_axes, series, strict=False):
        _lines(axes, own, [each.ordinary(text) for text in own])
        axes.set_ylabel(f"{drawable(each.direction, 18)}\nlayer {each.layer}")
    if diverge:
        _lines(all_axes[-1], own, [text.kl for text in own])
        all_axes[-1].set_ylabel("KL, nats")
    all_axes[-1].set_xlabel("token (shaded: the prompt)")
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(drawable(label_of(own[0], texts), 80), x=0.02, ha="left", fontsize=10)
    legend_above(all_axes[0])
    return figure


def _lines(axes: Axes, texts: Sequence[TracedText], values: Sequence[ndarray]) -> None:
    axes.axvspan(
        -0.5, min(text.n_prompt for text in texts) - 0.5, color="#808080", alpha=0.15, lw=0
    )
    for number, (text, own) in enumerate(zip(texts, values, strict=True)):
        axes.plot(
            np.arange(len(own)), own, label=drawable(text.condition, 30), markersize=3.5,
            linewidth=1.4, **looks(number),
        )  # fmt: skip
