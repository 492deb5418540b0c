"""Cosines between layers and between estimators."""

import numpy as np
import pytest
import torch
from activations_of import INFO, cosine

import tl_steer as ts
from tl_steer.diagnostics._figures import similarity_heatmap
from tl_steer.diagnostics._similarity import between_estimators, between_layers
from tl_steer.directions import Provenance
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, HookNameError

NAMES = [f"blocks.{layer}.hook_resid_post" for layer in range(3)]


def some(seed: int, names: list[str] = NAMES, width: int = 8) -> ts.Directions:
    g = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(width, generator=g) for name in names}
    return ts.Directions(
        {n: ts.Direction(v, n, 1.0, Provenance(INFO, "made up")) for n, v in vectors.items()}
    )


def test_between_layers() -> None:
    found, several = between_layers(some(0)), some(0)
    for a in NAMES:
        for b in NAMES:
            expected = cosine(several[a].vector, several[b].vector)
            assert found.loc[a, b] == pytest.approx(expected, abs=1e-6)


def test_directions_of_unequal_width_have_no_cosine() -> None:
    mixed = ts.Directions({**some(0), **some(1, ["blocks.0.mlp.hook_post"], width=9)})
    found = between_layers(mixed)
    assert found.isna().to_numpy().sum() == 6
    figure_png(similarity_heatmap(found), dpi=40)


def test_between_estimators() -> None:
    estimates = {"one": some(0), "other": some(1)}
    found = between_estimators(estimates, at=NAMES[1])
    expected = cosine(some(0)[NAMES[1]].vector, some(1)[NAMES[1]].vector)
    assert found.loc["one", "other"] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(HookNameError, match="no direction was read there"):
        between_estimators(estimates, at="blocks.9.hook_resid_post")


def test_the_heatmap_shows_the_frame() -> None:
    frame = between_layers(some(0))
    figure = similarity_heatmap(frame, title="layers")
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.collections[0].get_array(), frame.to_numpy())
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2"]
    assert axes.collections[0].get_clim() == (-1, 1)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(DataError, match="at least one direction, got none"):
        between_layers(ts.Directions({}))
    with pytest.raises(DataError, match="square"):
        similarity_heatmap(between_layers(some(0)).iloc[:2])
