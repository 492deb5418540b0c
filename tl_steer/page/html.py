"""HTML that needs no other file, no script and no network: tables, results, whole pages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from tl_steer.errors import DataError
from tl_steer.files.characters import printable
from tl_steer.page.numbers import columns_of, texts_of
from tl_steer.page.sections import Section
from tl_steer.page.templates import html_of, part


def page_html(title: str, sections: Sequence[Section]) -> str:
    """A page that needs no other file, no script and no network, and that prints.

    All texts are escaped. The page follows the reader's light or dark setting.

    Args:
        title: The heading.
        sections: In order.

    Returns:
        The page, to be written as UTF-8.

    Raises:
        DataError: A text that is to stand beside others is none.
    """
    return html_of(
        "page/page.html",
        title=title,
        sections=sections,
        style=Markup(part("page/page.css")),
        inline=_inline,
        columns_of=columns_of,
        texts_of=texts_of,
    )


def result_html(
    said: str, *frames: pd.DataFrame, points: Sequence[str] = (), most: int = 24
) -> str:
    """What a result says of itself and its tables, for a notebook.

    Args:
        said: In words; line breaks stay.
        frames: Numbers.
        points: A list of sentences below the words.
        most: Rows that are shown of a table; of a longer one, how many there are.
    """
    tables = [
        {"columns": columns_of(frame.head(most)), "more": max(len(frame) - most, 0)}
        for frame in frames
    ]
    return html_of("page/result.html", said=said, points=points, tables=tables)


@dataclass(frozen=True)
class Piece:
    """A piece of text on a colour."""

    text: str
    colour: str
    """As a style sheet has it."""

    tip: str = ""
    """What is shown where the pointer rests on it."""


def coloured_html(caption: str, scale: Sequence[Piece], strip: Sequence[Piece]) -> str:
    """A text whose pieces are coloured, below a caption and a scale of the colours.

    Args:
        caption: One line.
        scale: What the colours mean.
        strip: The text; nothing stands between two pieces.
    """
    return html_of("page/coloured.html", caption=caption, scale=scale, strip=strip).strip()


def table_html(columns: Mapping[str, Sequence[str]], *, caption: str) -> str:
    """Put texts side by side: one column for each name, one row for each text.

    All texts are escaped, line breaks are kept, and colours come from the page, so the table reads
    the same in a light and in a dark notebook.

    Args:
        columns: The heading of each column and its texts, as many in one column as in any other.
        caption: One line above the table; left out if empty.

    Returns:
        One `<table>` element that refers to nothing outside itself.

    Raises:
        DataError: No column came, or the columns are of unequal length.
    """
    if not columns:
        raise DataError("no column came; give at least one, such as {'prompt': [...]}.")
    lengths = {name: len(texts) for name, texts in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"the columns differ in length: {lengths}. Each row needs a text in each.")
    return html_of("page/texts.html", columns=columns, caption=caption)


def escaped(text: str) -> str:
    """The text as HTML shows it: nothing in it is markup, in an element or in an attribute.

    Control characters and lone surrogates, which a file in UTF-8 or a parser would refuse, become
    the replacement character; line breaks and tabs stay.
    """
    return str(escape(printable(text)))


def _inline(svg: str) -> Markup:
    """A picture within a page, where the names of the languages are known."""
    return Markup(re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg, count=2))
