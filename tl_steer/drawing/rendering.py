"""A figure as a vector graphic that stands on any page, or as a PNG on white."""

import io
import re
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from tl_steer.files.characters import printable

_MIDDLE = "#7a7a7a"
"""Of the ink where no page says its own: it has a contrast of 4 to 1 on white and on near black."""

_ROOT = (
    f'color="{_MIDDLE}" fill="currentColor" role="img" '
    'stroke-linejoin="round" stroke-linecap="butt"'
)
_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tl_steer"}
_FAMILY = "font-family: 'DejaVu Sans', Verdana, sans-serif"


class Picture(Figure):
    """A figure that notebooks show as a vector graphic, on light and dark pages."""

    def _repr_svg_(self) -> str:
        return figure_svg(self)


def figure_svg(figure: Figure) -> str:
    """The figure as an ``<svg>`` element, transparent; the same figure gives the same text.

    What is black in the figure has the page's own colour of text (``currentColor``); where the
    element stands alone, in a file or a notebook, a grey that reads on light and dark. Texts stay
    texts. Nothing in it has an id that could meet that of another picture, or refers to anything.
    """
    buffer = io.StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    svg = printable(buffer.getvalue())
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<(metadata|style).*?</\1>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    # In tags only: a text may say #000000.
    svg = re.sub("<[^>]*>", lambda tag: _of_the_page(tag[0]), svg)
    return re.sub(r"\n\s*", "\n", svg).replace("<svg", f"<svg {_ROOT}", 1)


def _of_the_page(tag: str) -> str:
    return re.sub('font-family: [^;"]*', _FAMILY, tag.replace("#000000", "currentColor"))


def figure_png(figure: Figure, *, dpi: int = 160) -> bytes:
    """The figure as a PNG on white; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
