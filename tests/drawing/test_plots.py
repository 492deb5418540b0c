"""Pictures: that what is drawn is what the frame says, and that nothing global is touched."""

import io
import sys
from collections.abc import Callable

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tl_steer.drawing.plots import cell_bars, dose_effect, layer_curve
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError

LAYERS = pd.DataFrame(
    {
        "site": ["hook_mlp_out"] * 3 + ["hook_resid_post"] * 3,
        "layer": [2, 0, 1, 0, 1, 2],  # not in order
        "auroc": [0.7, 0.5, 0.6, 0.55, 0.65, 0.8],
    }
)
DOSES = pd.DataFrame(
    {
        "strength": [4.0, -4.0, 0.0],
        "judge": [0.8, 0.2, 0.5],
        "low": [0.7, 0.1, 0.4],
        "high": [0.9, 0.3, 0.6],
        "perplexity_ratio": [1.4, 1.6, 1.0],
    }
)
CELLS = pd.DataFrame(
    {
        "condition": ["negative", "none", "positive"] * 2,
        "judge": ["sentiment"] * 3 + ["vader"] * 3,
        "mean": [0.2, 0.5, 0.9, 0.3, 0.6, 0.8],
        "low": [0.1, 0.4, 0.8, 0.2, 0.5, 0.7],
        "high": [0.25, 0.6, 0.95, 0.4, 0.7, 0.85],
    }
)


def lines(figure: Figure, panel: int) -> dict[str, list[tuple[float, float]]]:
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in line.get_xydata()]
        for line in figure.axes[panel].get_lines()
        if not str(line.get_label()).startswith("_")
    }


def levels(figure: Figure, panel: int) -> list[float]:
    """Where horizontal lines go from side to side."""
    return [
        float(line.get_ydata()[0])
        for line in figure.axes[panel].get_lines()
        if list(line.get_xdata()) == [0, 1] and len(set(line.get_ydata())) == 1
    ]


def test_layer_curve_draws_every_site_in_the_order_of_layers() -> None:
    figure = layer_curve(LAYERS, chosen=("hook_resid_post", 2))
    assert lines(figure, 0) == {
        "hook_mlp_out": [(0, 0.5), (1, 0.6), (2, 0.7)],
        "hook_resid_post": [(0, 0.55), (1, 0.65), (2, 0.8)],
        "chosen": [(2, 0.8)],
    }
    assert levels(figure, 0) == [0.5]
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer", "held-out AUROC")
    assert {text.get_text() for text in axes.get_legend().get_texts()} == set(lines(figure, 0))


def test_layer_curve_draws_another_value() -> None:
    figure = layer_curve(
        LAYERS.rename(columns={"auroc": "norm"}), value="norm", label="norm", baseline=None
    )
    assert lines(figure, 0)["hook_mlp_out"][-1] == (2, 0.7)
    assert levels(figure, 0) == []


def test_dose_effect_draws_effect_cost_and_limit() -> None:
    effect_only = DOSES.assign(series="joy")
    figure = dose_effect(effect_only, limit=1.5, chosen=(4.0,))
    assert lines(figure, 0) == {"joy": [(-4, 0.2), (0, 0.5), (4, 0.8)]}
    assert lines(figure, 1) == {"joy": [(-4, 1.6), (0, 1.0), (4, 1.4)]}
    assert levels(figure, 1) == [1.5]
    assert [text.get_text() for text in figure.axes[1].texts] == ["limit\n1.5×"]
    (band,) = figure.axes[0].collections
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == 0.1
    assert corners[:, 1].max() == 0.9
    for axes in figure.axes:
        assert [4.0, 4.0] in [list(line.get_xdata()) for line in axes.get_lines()]


@pytest.mark.parametrize("top", [1.01, 1.6, 4.0, 90.0, 4e4, np.inf, np.nan])
def test_the_cost_axis_has_ticks_whatever_the_range(top: float) -> None:
    figure = dose_effect(DOSES.assign(perplexity_ratio=[top, 1.2, 1.0]))
    figure_png(figure, dpi=30)
    low, high = figure.axes[1].get_ylim()
    assert sum(low <= tick <= high for tick in figure.axes[1].get_yticks()) >= 2
    assert low < 1.0
    assert high > 1.5


def test_cell_bars_draw_means_and_ends_of_intervals() -> None:
    figure = cell_bars(CELLS)
    (axes,) = figure.axes
    heights = {
        container.get_label(): [bar.get_height() for bar in container]
        for container in axes.containers
    }
    assert heights == {"sentiment": [0.2, 0.5, 0.9], "vader": [0.3, 0.6, 0.8]}
    whiskers = [
        segment[:, 1].tolist() for lines in axes.collections for segment in lines.get_segments()
    ]
    assert whiskers == CELLS[["low", "high"]].to_numpy().tolist()
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "negative",
        "none",
        "positive",
    ]


def test_bars_stand_over_their_own_condition_whatever_the_order_of_rows() -> None:
    shuffled = CELLS.iloc[[0, 1, 2, 5, 3, 4]]
    (axes,) = cell_bars(shuffled).axes
    for container in axes.containers:
        rows = CELLS[CELLS["judge"] == container.get_label()].set_index("condition")["mean"]
        for bar in container:
            place = round(bar.get_x() + bar.get_width() / 2)
            assert bar.get_height() == rows[["negative", "none", "positive"][place]]


PICTURES = [
    pytest.param(layer_curve, LAYERS, id="layer_curve"),
    pytest.param(dose_effect, DOSES, id="dose_effect"),
    pytest.param(cell_bars, CELLS, id="cell_bars"),
]


@pytest.mark.parametrize(("draw", "frame"), PICTURES)
def test_a_picture_is_a_png_with_ink_and_leaves_the_frame_alone(
    draw: Callable[[pd.DataFrame], Figure], frame: pd.DataFrame
) -> None:
    before = frame.copy(deep=True)
    png = figure_png(draw(frame), dpi=50)
    pd.testing.assert_frame_equal(frame, before)
    assert png == figure_png(draw(frame), dpi=50)
    pixels = matplotlib.image.imread(io.BytesIO(png))
    assert pixels.shape[1] == 240  # 4.8 inches
    assert 0.01 < np.mean(pixels[..., :3].min(axis=-1) < 0.9) < 0.5


@pytest.mark.parametrize(("draw", "frame"), PICTURES)
def test_a_frame_without_rows_or_a_column_is_refused(
    draw: Callable[[pd.DataFrame], Figure], frame: pd.DataFrame
) -> None:
    with pytest.raises(DataError, match="no rows"):
        draw(frame.iloc[:0])
    with pytest.raises(DataError, match="lacks"):
        draw(frame.iloc[:, 1:])


def test_a_choice_that_is_not_in_the_frame_is_refused() -> None:
    with pytest.raises(DataError, match="no such site and layer"):
        layer_curve(LAYERS, chosen=("hook_mlp_out", 9))


def test_pyplot_holds_no_figure_of_ours() -> None:
    layer_curve(LAYERS)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
