"""The map of layers and strengths: that what is drawn is what the frames say."""

import numpy as np
from frames_of import GAINS, JUDGE, STRENGTHS, cells_of, level

from tl_steer.reports._heatmap import layer_strength_heatmap


def test_the_heatmap_has_a_panel_a_direction_layers_upwards() -> None:
    figure = layer_strength_heatmap(cells_of(), JUDGE)
    panels = figure.axes[: len(GAINS)]
    assert [axes.get_title(loc="left") for axes in panels] == list(GAINS)
    for axes, gain in zip(panels, GAINS.values(), strict=True):
        (drawn,) = axes.collections
        wanted = [[level(gain, s, layer) - 0.5 for s in STRENGTHS] for layer in (11, 14, 17, 20)]
        np.testing.assert_allclose(drawn.get_array(), wanted)
        assert not axes.yaxis_inverted()
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["11", "14", "17", "20"]
    (number,) = [t for t in panels[0].texts if t.get_position() == (8, 2)]
    assert number.get_text() == f"{level(1.0, 4.0) - 0.5:+.2f}".replace("0.", ".", 1)


def test_cells_beyond_the_limit_of_perplexity_are_crossed_out() -> None:
    cells = cells_of({"joy": 1.0}, layers=[17], controls=0)
    axes = layer_strength_heatmap(cells, JUDGE).axes[0]
    crossed = {STRENGTHS[round(float(np.mean(line.get_xdata())))] for line in axes.get_lines()}
    dear = set(cells.loc[cells["perplexity"] > 1.5 * 11.0, "strength"])
    assert crossed == dear == {-4.0, -3.0, 3.0, 4.0}
    assert layer_strength_heatmap(cells, JUDGE, limit=None).axes[0].get_lines() == []


def test_numbers_are_left_out_where_they_do_not_fit_and_cells_that_were_not_run_are_empty() -> None:
    many = cells_of({"joy": 1.0}, layers=range(30), strengths=np.linspace(-4, 4, 41), controls=0)
    assert len(layer_strength_heatmap(many, JUDGE).axes[0].texts) == 0
    cells = cells_of({"joy": 1.0}, layers=[3, 4], controls=0)
    cells = cells[~((cells["layer"] == 3) & (cells["strength"] == 4))]
    grid = layer_strength_heatmap(cells, JUDGE).axes[0].collections[0].get_array()
    assert np.ma.getmaskarray(grid).sum() == 1


def test_equal_doses_share_a_column_where_strengths_differ_by_layer() -> None:
    cells = cells_of({"joy": 1.0}, layers=[3, 4], controls=0)
    cells["strength"] *= 1 + 0.1 * (cells["layer"] == 4)
    axes = layer_strength_heatmap(cells, JUDGE).axes[0]
    assert axes.collections[0].get_array().shape == (2, len(STRENGTHS))
    assert axes.get_xlabel() == "relative dose"
