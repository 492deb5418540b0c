"""Texts that any font can draw.

matplotlib reads a text between dollar signs as a formula, leaves out a legend's entry that begins
with an underscore, and warns of letters that its font lacks. Names and prompts are other people's,
so all of them go through :func:`drawable`.
"""

import re

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font


def drawable(text: str, limit: int | None = None) -> str:
    """A text as matplotlib draws it: one line, no formula, no letter that the font lacks.

    Args:
        text: Anything.
        limit: At most so many letters; an ellipsis takes the place of those in the middle, for
            names often differ at their ends.
    """
    line = re.sub(r"\s+", " ", text).strip()
    if limit is not None and len(line) > limit:
        head = (2 * limit) // 3
        line = f"{line[:head].rstrip()}…{line[len(line) - (limit - head - 1) :].lstrip()}"
    known = get_font(findfont(FontProperties(family=rcParams["font.family"]))).get_charmap()
    line = "".join(letter if ord(letter) in known else "□" for letter in line)
    # A hair space, which nobody sees: legends leave out what begins with an underscore.
    line = re.sub("^_", "\u200a_", line)
    return line.replace("$", r"\$")
