"""Where to steer, and how strongly: the effect at each layer and strength."""

import re

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tl_steer.arguments import checked
from tl_steer.drawing.canvas import SMALL, WIDTH, titled
from tl_steer.drawing.maps import Numbers, heat, scale, written_in
from tl_steer.drawing.rendering import Picture
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.lens.hook_names import site_of
from tl_steer.reports._averages import averaged, unsteered
from tl_steer.reports._figures import named_series

_DIGITS = 0.29  # inches that a number in a cell needs, sideways
_LINE = 0.13  # and upwards


@checked
def layer_strength_heatmap(
    cells: pd.DataFrame, judge: str, *, limit: float | None = 1.5, title: str = ""
) -> Figure:
    """The effect on the judge at each layer and strength, a panel a direction.

    Effect is the mean score minus that without steering, for the same prompt sets and seeds. All
    panels share one scale, white at no effect, from brown (lower) to violet (higher). Layers lie
    upwards as in the model; where there are several sites, each has rows of its own. Columns are
    strengths, or relative doses where these are fewer: at equal doses, strengths differ by layer.
    Numbers are written where they fit. Cells beyond the limit of perplexity are crossed out, and
    controls are left out.

    Args:
        cells: As in ``SweepResult.cells``.
        judge: The column of its mean scores.
        limit: The highest perplexity that is accepted, as a ratio to that of unsteered text; None
            crosses nothing out.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: The frame is empty or lacks a column, or has no direction, or nothing without
            steering to compare with.
    """
    settings = averaged(cells, judge)
    several = named_series(settings)
    if not several:
        raise DataError("there is no direction in the cells, so that there is nothing to map.")
    steered = pd.concat([rows for _, rows in several])
    if not steered["effect"].notna().any():
        raise DataError(
            f"no effect on {judge} is known: give the cells of no steering too, for the same "
            "prompt sets and seeds."
        )
    by = _columns(steered)
    places = _places(steered)
    steps = sorted(set(_rounded(steered[by])))
    most = float(np.nanmax(np.abs(steered["effect"]))) or 1.0
    ceiling = limit * unsteered(settings, "perplexity") if limit is not None else float("nan")
    across = 1 if len(several) == 1 or len(steps) > 5 else 2
    rows = -(-len(several) // across)
    height = 0.75 + max(_height(len(places)), 0.5)
    # Not lower than the label of the scale is long.
    figure = Picture(figsize=(WIDTH, max(rows * height + 0.2, 2.2)), layout="constrained")
    for number, (name, own) in enumerate(several):
        axes = figure.add_subplot(rows, across, number + 1)
        grid = _grid(own, by, "effect", places, steps)
        drawn = heat(axes, grid, limit=most, upwards=True)
        _cross_out(axes, _grid(own, by, "perplexity", places, steps) > ceiling)
        axes.set_title(name, fontsize=SMALL, loc="left")
        _axes(axes, places, steps, by, first=number % across == 0)
        if (WIDTH / across - 1.0) / len(steps) >= _DIGITS and _row(len(places)) >= _LINE:
            _write(axes, grid, most)
    scale(drawn, figure, f"change of {drawable(judge, 34)}")
    if np.isfinite(ceiling):
        cross = Line2D([], [], color="black", linewidth=0.9, label=f"perplexity over {limit:g}×")
        figure.legend(handles=[cross], loc="outside lower right", frameon=False, fontsize=SMALL)
    return titled(figure, title)


def _cross_out(axes: Axes, over: Bool[np.ndarray, "row column"]) -> None:
    for row, column in np.argwhere(over):
        # On a cell's own colour, whatever the page's.
        axes.plot(
            [column - 0.42, column + 0.42],
            [row - 0.42, row + 0.42],
            color="#4d4d4d",
            linewidth=0.9,
            zorder=2,
        )


def _columns(steered: pd.DataFrame) -> str:
    strengths, doses = (len(set(_rounded(steered[by]))) for by in ("strength", "dose"))
    return "dose" if 0 < doses < strengths else "strength"


def _rounded(values: pd.Series) -> list[float]:
    """To four digits: doses that differ by rounding alone share a column."""
    return [float(f"{value:.4g}") for value in values if np.isfinite(value)]


def _places(steered: pd.DataFrame) -> dict[str, str]:
    """Hook names from below upwards, and what their rows are called."""
    names = steered.drop_duplicates("hook_name")[["hook_name", "layer"]]
    sites = {str(name): site_of(str(name)) for name in names["hook_name"]}
    ordered = sorted(
        ((sites[str(name)], int(layer), str(name)) for name, layer in names.to_numpy())
    )
    alone = len(set(sites.values())) == 1
    return {
        name: _layers(name, layer) if alone else _row_name(site, _layers(name, layer))
        for site, layer, name in ordered
    }


def _layers(hook_name: str, layer: int) -> str:
    """``15``, or ``10–18`` for a run of layers."""
    run = re.search(r"\{(\d+)\.\.(\d+)\}", hook_name)
    return f"{run[1]}–{run[2]}" if run else str(layer)


def _row_name(site: str, layers: str) -> str:
    return drawable(f"{site.removeprefix('hook_')} {layers}", 24)


def _grid(
    own: pd.DataFrame, by: str, value: str, places: dict[str, str], steps: list[float]
) -> Numbers:
    sums, counts = np.zeros((len(places), len(steps))), np.zeros((len(places), len(steps)))
    order = list(places)
    for name, step, effect in zip(own["hook_name"], own[by], own[value], strict=True):
        if np.isfinite(step) and np.isfinite(effect):
            at = order.index(str(name)), steps.index(_rounded(pd.Series([step]))[0])
            sums[at] += effect
            counts[at] += 1
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _row(places: int) -> float:
    return 0.34 if places <= 8 else 0.2 if places <= 20 else 0.14


def _height(places: int) -> float:
    return places * _row(places)


def _axes(axes: Axes, places: dict[str, str], steps: list[float], by: str, *, first: bool) -> None:
    every = max(1, round(len(steps) / 10))
    shown = range(0, len(steps), every)
    axes.set_xticks(
        list(shown), [f"{steps[at]:.3g}".replace("-", "−") for at in shown], fontsize=SMALL
    )
    labels = list(places.values()) if first else [""] * len(places)
    axes.set_yticks(range(len(places)), labels, fontsize=SMALL if len(places) <= 20 else 7)
    axes.set_xlabel("strength" if by == "strength" else "relative dose", fontsize=SMALL)
    if first:
        axes.set_ylabel(
            "layer" if all(one[0].isdigit() for one in places.values()) else "", fontsize=SMALL
        )


def _write(axes: Axes, grid: Numbers, most: float) -> None:
    for (row, column), effect in np.ndenumerate(grid):
        if np.isfinite(effect):
            written_in(axes, column, row, _short(float(effect)), share=effect / most)


def _short(effect: float) -> str:
    """+.12 for 0.12: there is little room."""
    text = f"{effect:+.2f}"
    if float(text) == 0:
        return "0"
    short = text.replace("0.", ".", 1) if text[1] == "0" else f"{effect:+.1f}"
    return short.replace("-", "−")
