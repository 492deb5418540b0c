"""What lines and points look like: on a light page and on a dark one, in grey, and to everybody.

The hues are those of Okabe and Ito, which colour-blind readers tell apart
(https://jfly.uni-koeln.de/color/); the two lightest are darkened, so that each has a contrast of
3 to 1 on white and on near black. Black is the ink of the page that a picture stands on: what is
drawn in it follows the page's own text (see :mod:`tl_steer.drawing.rendering`).
"""

from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#C46E9B", "#B27B00", "#3F97C9")
GREY = ("black", 0.6)
"""Of what stands beside the thing itself."""

PALE = ("black", 0.28)
"""Of many lines that are to be seen together only."""

GRID = ("black", 0.12)
NOT_RUN = (0.5, 0.5, 0.5, 0.25)
"""Of a cell that has no number."""

MARKERS = ("o", "s", "^", "D", "v", "P")
DIVERGING = "PuOr"
"""Of signed numbers, white at 0: brown below, violet above."""

_DASHES = ("-", "--", "-.")


def looks(number: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of that number; the first 18 differ from each other."""
    turn = number // len(COLOURS)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[(number + turn) % len(MARKERS)],
        "linestyle": _DASHES[turn % len(_DASHES)],
    }
