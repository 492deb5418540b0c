"""The ROC figure shows the curve that was fitted, and the point that was chosen."""

import numpy as np
import pytest
import torch
from activations_of import AT, INFO, activations_of, two_classes

import tl_steer as ts
from tl_steer.diagnostics._roc import roc_figure
from tl_steer.diagnostics._separation import separation
from tl_steer.directions import Provenance
from tl_steer.drawing.rendering import figure_png
from tl_steer.scopes import fit_threshold


def test_it_shows_what_was_fitted() -> None:
    acts = activations_of(*two_classes(4, gap=0.5))
    along = ts.Direction(torch.ones(4), AT, 1.0, Provenance(INFO, "made up"))
    found = fit_threshold(acts, along, false_fires=0.1)
    figure = roc_figure(found)
    (axes,) = figure.axes
    _, curve, chosen = axes.lines
    np.testing.assert_array_equal(curve.get_xdata(), found.curve["false_fires"])
    np.testing.assert_array_equal(curve.get_ydata(), found.curve["hits"])
    assert (chosen.get_xdata()[0], chosen.get_ydata()[0]) == (found.false_fires, found.hits)
    legend = axes.get_legend()
    assert legend is not None
    _, area, above = (text.get_text() for text in legend.get_texts())
    # The area under the steps is the share of couples in order, which is counted elsewhere.
    auroc = float(separation(ts.Directions({AT: along}), acts)["auroc"].iloc[0])
    assert float(area.removeprefix("AUROC ")) == pytest.approx(auroc, abs=6e-4)
    assert above == f"above {found.value:.3g}"
    assert figure_png(figure) == figure_png(roc_figure(found))
