"""A figure as a vector graphic: on light and dark pages, the same each time, its texts texts."""

import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tl_steer.drawing.canvas import blank_figure, legend_above, legend_outside, panels, titled
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.maps import heat, scale
from tl_steer.drawing.plots import cell_bars, layer_curve
from tl_steer.drawing.rendering import figure_svg
from tl_steer.drawing.words import drawable

HOSTILE = '</text><script>alert(1)</script> #000000 style="a" & $\\frac{ \ud800\x00 影'
PAGES = ("#ffffff", "#16181c", "#111111")


def luminance(colour: str) -> float:
    """Relative luminance as of WCAG 2."""
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_every_colour_and_the_lone_ink_are_seen_on_every_page(page: str) -> None:
    assert all(contrast(colour, page) >= 3 for colour in COLOURS)
    assert contrast(ET.fromstring(drawn()).attrib["color"], page) >= 4


def drawn(text: str = "a line") -> str:
    figure, (axes,) = blank_figure(2.0, 1)
    axes.plot([1, 2], [0, 1], color="black", label=drawable(text))
    axes.fill_between([1, 2], [0, 0], [1, 1], color=("black", 0.2))
    axes.text(1, 0.5, drawable(text))
    legend_above(axes)
    return figure_svg(titled(figure, text))


def test_what_is_black_is_the_ink_of_the_page_and_nothing_lies_behind() -> None:
    svg = ET.fromstring(drawn())
    assert svg.attrib["fill"] == "currentColor"
    styles = [each.attrib["style"] for each in svg.iter() if "style" in each.attrib]
    assert any("stroke: currentColor" in style for style in styles)
    assert not [style for style in styles if "#000000" in style or "#ffffff" in style]


def test_it_is_the_same_each_time_and_refers_to_itself_alone() -> None:
    svg = drawn()
    assert svg == drawn()
    tree = ET.fromstring(svg)
    assert not {"metadata", "style", "image"} & {each.tag.split("}")[1] for each in tree.iter()}
    known = {each.attrib["id"] for each in tree.iter() if "id" in each.attrib}
    used = [v[1:] for each in tree.iter() for n, v in each.attrib.items() if n.endswith("href")]
    assert used
    assert set(used) <= known
    assert "figure_1" not in known


def test_hostile_text_stays_text() -> None:
    svg = drawn(HOSTILE)
    svg.encode("utf-8")
    tree = ET.fromstring(svg)
    tags = {each.tag.split("}")[1] for each in tree.iter()}
    assert tags == {each.tag.split("}")[1] for each in ET.fromstring(drawn()).iter()}
    words = " ".join(each.text or "" for each in tree.iter() if each.tag.endswith("text"))
    assert "</text><script>alert(1)</script> #000000" in words


def test_a_map_has_a_cell_for_each_number_and_no_pixels() -> None:
    figure, (axes,) = blank_figure(2.0, 1)
    values = np.array([[1.0, np.nan, -1.0], [0.0, 0.5, -0.5]])
    mesh = heat(axes, values, limit=1.0)
    np.testing.assert_array_equal(mesh.get_array(), np.ma.masked_invalid(values))
    scale(mesh, figure, "change")
    svg = figure_svg(figure)
    assert "<image" not in svg
    assert "#7f3b08" in svg  # the strongest brown
    assert axes.yaxis_inverted()


def test_nothing_drawn_in_a_kit_needs_more_than_its_width() -> None:
    figure, several = panels(2, columns=2, height=2.0)
    for number in range(7):
        several[0].plot([0, 1], label=f"a direction with a long name, {number}")
    legend_outside(figure, several)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure_svg(figure)
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x1 <= figure.bbox.x1


def test_names_from_outside_are_drawn_as_they_are() -> None:
    import pandas as pd

    text = "$\\frac{ 影 _x"
    bars = pd.DataFrame({"condition": [text], "judge": text, "mean": 0.5, "low": 0.4, "high": 0.6})
    lines = pd.DataFrame({"site": [text], "layer": 1, "auroc": 0.5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure_svg(cell_bars(bars, title=text))
        figure_svg(layer_curve(lines, title=text))
