"""What a page says, in order, before it becomes HTML or Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Illustration:
    """A figure, how it is read, and what its file is called."""

    name: str
    """Of letters, digits and underscores."""

    caption: str
    """What is drawn; what it shows is the figure's own title."""

    figure: "Figure"

    @cached_property
    def svg(self) -> str:
        """Drawn once, for the page and for the file."""
        # Imported here: most of what is shown as HTML has no picture.
        from tl_steer.drawing.rendering import figure_svg

        return figure_svg(self.figure)

    @property
    def said(self) -> str:
        """What it shows, for whoever cannot see it."""
        return str(self.figure.get_label()) or self.caption


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands under it, in this order."""

    heading: str
    """Nothing for what comes first on the page."""

    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Names of files beside the page, and what is in them."""

    pictures: Sequence[Illustration] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Numbers, by their caption."""

    texts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Texts side by side, by their caption; all cells are strings."""
