"""Markdown in the style of GitHub, with its pictures beside it."""

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from tl_steer.files.characters import printable
from tl_steer.page.numbers import columns_of
from tl_steer.page.sections import Section
from tl_steer.page.templates import markdown_of

PICTURES = "figures"
"""The folder that the pictures are looked for in, beside the file."""

_BREAK = re.compile("\r\n|[\n\r\u2028\u2029]")
_MARKS = re.compile(r"([\\`*_\[\]|~$#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def page_markdown(title: str, sections: Sequence[Section]) -> str:
    """Sections as Markdown; pictures are ``figures/<name>.svg``.

    All texts are escaped: nothing in them is markup, HTML, a link, a formula or a table's border.

    Args:
        title: The heading.
        sections: In order.

    Returns:
        The text, to be written as UTF-8.
    """
    return markdown_of(
        "page/page.md",
        _marked,
        title=title,
        sections=sections,
        pictures=PICTURES,
        plain=Markup,
        table=lambda frame: Markup(table(frame)),
    )


def inline(text: str) -> str:
    """A text as Markdown shows it within a line or a table's cell, with breaks as ``<br>``.

    Control characters and lone surrogates, which a file in UTF-8 would refuse, become the
    replacement character.
    """
    clean = printable(_BREAK.sub("\n", text))
    clean = re.sub("[&<>]", lambda found: _ENTITIES[found[0]], clean)
    clean = _MARKS.sub(r"\\\1", clean)
    # GitHub makes links of bare addresses, too.
    clean = re.sub(r"(?i)(https?|ftp)://", r"\1\\://", clean)
    clean = re.sub(r"(?i)\bwww\.", lambda found: f"{found[0][:-1]}\\.", clean)
    # At the beginning of a line: lists, rules and numbered lists.
    clean = re.sub(r"^(\s*)([+=]|-(?!\d))", r"\1\\\2", clean)
    clean = re.sub(r"^(\s*\d+)([.)])(?!\d)", r"\1\\\2", clean)
    return "<br>".join(line.strip(" \t") for line in clean.split("\n"))


def table(frame: pd.DataFrame) -> str:
    """A frame as a table, rounded for reading, numbers to the right."""
    columns = columns_of(frame)
    lines = [
        [inline(column.name) for column in columns],
        ["---:" if column.right else "---" for column in columns],
        *zip(*([inline(cell) for cell in column.cells] for column in columns), strict=True),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _marked(value: Any) -> Any:
    return value if isinstance(value, Markup) else inline(str(value))
