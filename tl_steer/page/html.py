"""Texts side by side, as HTML that any notebook or page can hold."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from tl_steer.errors import DataError

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_RULE = "1px solid rgba(128, 128, 128, .35)"
# Written on every cell: notebooks drop style sheets, and align table cells to the right.
_CELL = (
    f"text-align:left;vertical-align:top;padding:.4em .7em;border-bottom:{_RULE};"
    "white-space:pre-wrap;overflow-wrap:break-word;min-width:7em"
)
_TABLE = "border-collapse:collapse;width:100%;font-size:.95em"
_CAPTION = "text-align:left;font-weight:600;padding:.4em .7em;caption-side:top"


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
    rows = zip(*columns.values(), strict=True)
    head = "".join(f'<th scope="col" style="{_CELL}">{escaped(name)}</th>' for name in columns)
    body = "\n".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in rows)
    title = f'<caption style="{_CAPTION}">{escaped(caption)}</caption>' if caption else ""
    return (
        f'<table style="{_TABLE}">{title}\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table>"
    )


def printable(text: str) -> str:
    """Replace control characters and lone surrogates, which no file or page can show."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def escaped(text: str) -> str:
    """The text as HTML shows it: nothing in it is markup, in an element or in an attribute.

    Control characters and lone surrogates, which a file in UTF-8 or a parser would refuse, become
    the replacement character; line breaks and tabs stay.
    """
    return escape(printable(text), quote=True)


def _cell(text: str) -> str:
    # A right-to-left text sets its own direction and leaves that of its neighbours alone.
    return f'<td dir="auto" style="{_CELL}">{escaped(text)}</td>'
