"""Pictures of a localization: what is drawn is what was found."""

from typing import Any

import numpy as np
import pytest
from making import shared_model
from matplotlib.figure import Figure

import tl_steer as ts
from tl_steer.causal._causal_figures import head_heatmap, layer_effects, position_heatmap
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitDifference
from tl_steer.causal._modes import ZeroAblation
from tl_steer.causal._positions import AtPosition, EachPosition
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError

PAIRS = ts.ContrastSet(
    ["the film was very good", "a film was great"],
    ["the film was very bad", "a film was awful"],
    paired=True,
)
POST, MLP, Z = "blocks.*.hook_resid_post", "blocks.*.hook_mlp_out", "blocks.*.attn.hook_z"


def localized(at: Any, **changes: Any) -> Localization:
    settings = {"prepend_bos": False, "progress": False, **changes}
    model = shared_model("bridge", "llama")
    return localize(model, PAIRS, LogitDifference("great", "awful"), at=at, **settings)


def drawn(figure: Figure) -> np.ndarray:
    assert figure_png(figure, dpi=40).startswith(b"\x89PNG")
    return np.asarray(figure.axes[0].collections[0].get_array())


def labels(figure: Figure, axis: str) -> list[str]:
    return [each.get_text() for each in getattr(figure.axes[0], f"get_{axis}ticklabels")()]


def test_layers_by_positions() -> None:
    found = localized(POST, positions=EachPosition())
    figure = position_heatmap(found)
    effects = found.frame["effect"].to_numpy().reshape(4, 5)
    np.testing.assert_allclose(drawn(figure), effects[::-1])
    assert labels(figure, "y") == ["3", "2", "1", "0"]
    # Where texts have different tokens, none is named.
    assert labels(figure, "x") == ["0", "film  1", "was  2", "3", "bad  4"]
    image = figure.axes[0].collections[0]
    assert image.norm.vmin == -image.norm.vmax == -np.abs(effects).max()


def test_one_prompt_with_its_tokens() -> None:
    found = localized(POST, positions=EachPosition())
    figure = position_heatmap(found, prompt=1, value="share")
    expected = found.per_prompt[:, 1].view(4, 5)[:, :4].flip(0) / found.whole
    np.testing.assert_allclose(drawn(figure), expected)
    assert labels(figure, "x") == ["a  0", "film  1", "was  2", "awful  3"]
    from_end = localized(POST, positions=EachPosition(from_end=True))
    figure = position_heatmap(from_end, prompt=1)
    assert labels(figure, "x") == ["a  -4", "film  -3", "was  -2", "awful  -1"]
    assert labels(position_heatmap(from_end), "x") == ["the  -5", "-4", "-3", "-2", "-1"]


@pytest.mark.parametrize(
    ("settings", "draw"),
    [
        ({"at": [Z, POST]}, lambda found: head_heatmap(found, site="attn.hook_z")),
        ({"at": POST, "positions": EachPosition()}, position_heatmap),
        ({"at": [POST, MLP]}, layer_effects),
    ],
)
def test_the_picture_that_tells_the_sites_apart(settings: Any, draw: Any) -> None:
    found = localized(**settings)
    assert figure_png(found.plot()) == figure_png(draw(found))


def test_layers_by_heads() -> None:
    found = localized([Z, POST])
    figure = head_heatmap(found, site="attn.hook_z")
    effects = found.frame[found.frame["site"] == "attn.hook_z"]["effect"].to_numpy()
    np.testing.assert_allclose(drawn(figure), effects.reshape(4, 4)[::-1])
    assert labels(figure, "x") == ["0", "1", "2", "3"]
    apart = localized(Z, positions=EachPosition())
    one = head_heatmap(apart, position=2)
    rows = apart.frame[apart.frame["position"] == 2]["effect"].to_numpy()
    np.testing.assert_allclose(drawn(one), rows.reshape(4, 4)[::-1])


def test_effects_over_layers() -> None:
    found = localized([POST, MLP], positions=AtPosition(-1))
    for value, over in (("effect", 1.0), ("share", found.whole)):
        figure = layer_effects(found, value=value)
        lines = {line.get_label(): line for line in figure.axes[0].lines}
        for kind in ("hook_resid_post", "hook_mlp_out"):
            rows = found.frame[found.frame["site"] == kind]
            np.testing.assert_allclose(lines[kind].get_ydata(), rows["effect"] / over)
            assert list(lines[kind].get_xdata()) == [0, 1, 2, 3]
        assert len(figure.axes[0].collections) == 2
        assert figure_png(figure, dpi=40).startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_refused() -> None:
    both, heads = localized([POST, MLP]), localized(Z)
    with pytest.raises(DataError, match="give site="):
        position_heatmap(both)
    with pytest.raises(DataError, match="effects of single positions"):
        position_heatmap(both, site="hook_mlp_out")
    with pytest.raises(DataError, match="effects of heads"):
        head_heatmap(both, site="hook_mlp_out")
    with pytest.raises(DataError, match="site='hook_z'"):
        head_heatmap(heads, site="hook_z")
    with pytest.raises(DataError, match="effects of heads"):
        head_heatmap(localized(Z, positions=EachPosition()))
    with pytest.raises(DataError, match="head_heatmap and position_heatmap"):
        layer_effects(heads)
    with pytest.raises(DataError, match="value='low'"):
        layer_effects(both, value="low")
    with pytest.raises(DataError, match="no whole difference"):
        layer_effects(localized(POST, mode=ZeroAblation()), value="share")
    with pytest.raises(DataError, match="prompt=2"):
        position_heatmap(localized(POST, positions=EachPosition()), prompt=2)
