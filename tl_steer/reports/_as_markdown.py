"""The report as Markdown in the style of GitHub, with its pictures beside it."""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from tl_steer.arguments import checked
from tl_steer.page.html_report import shown
from tl_steer.reports._results import StudyResults
from tl_steer.reports._sections import Section, sections_of

PICTURES = "figures"
"""The folder that the pictures are looked for in, beside the file."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAK = re.compile("\r\n|[\n\r\u2028\u2029]")
_MARKS = re.compile(r"([\\`*_\[\]|~$#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@checked
def report_markdown(results: StudyResults) -> str:
    """Set what a study found as Markdown; pictures are ``figures/<name>.png``.

    All texts are escaped: nothing in them is markup, HTML, a link, a formula or a table's border.

    Args:
        results: What was found.

    Returns:
        The text, to be written as UTF-8.
    """
    return markdown_of(results.title, sections_of(results))


def markdown_of(title: str, sections: Sequence[Section]) -> str:
    """Sections as Markdown.

    Args:
        title: The heading.
        sections: In order.
    """
    blocks = [f"# {inline(title)}"]
    for section in sections:
        blocks += [f"## {inline(section.heading)}", *_blocks(section)]
    return "\n\n".join(blocks) + "\n"


def inline(text: str) -> str:
    """A text as Markdown shows it within a line or a table's cell, with breaks as ``<br>``.

    Control characters and lone surrogates, which a file in UTF-8 would refuse, become the
    replacement character.
    """
    clean = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", _BREAK.sub("\n", text))
    clean = re.sub("[&<>]", lambda found: _ENTITIES[found[0]], clean)
    clean = _MARKS.sub(r"\\\1", clean)
    # GitHub makes links of bare addresses, too.
    clean = re.sub(r"(?i)(https?|ftp)://", r"\1\\://", clean)
    clean = re.sub(r"(?i)\bwww\.", lambda found: f"{found[0][:-1]}\\.", clean)
    # At the beginning of a line: lists, rules and numbered lists.
    clean = re.sub(r"^(\s*)([+=]|-(?!\d))", r"\1\\\2", clean)
    clean = re.sub(r"^(\s*\d+)([.)])(?!\d)", r"\1\\\2", clean)
    return "<br>".join(line.strip(" \t") for line in clean.split("\n"))


def _blocks(section: Section) -> Iterator[str]:
    yield from (inline(paragraph) for paragraph in section.paragraphs)
    if section.points:
        yield "\n".join(f"- {inline(point)}" for point in section.points)
    if section.facts:
        facts = section.facts.items()
        yield "\n".join(f"- **{inline(name)}**: {inline(value)}" for name, value in facts)
    for picture in section.pictures:
        yield f"![{inline(picture.name.replace('_', ' '))}]({PICTURES}/{picture.name}.png)"
        yield f"*{inline(picture.caption)}*"
    for caption, frame in section.tables.items():
        yield from _captioned(caption, frame)
    for caption, frame in section.texts.items():
        yield from _captioned(caption, frame)


def _captioned(caption: str, frame: pd.DataFrame) -> Iterator[str]:
    if caption:
        yield f"### {inline(caption)}"
    yield table(frame)


def table(frame: pd.DataFrame) -> str:
    """A frame as a table, rounded for reading, numbers to the right; the index is left out."""
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    cells = [[inline(cell) for cell in shown(column)] for column in columns]
    right = [pd.api.types.is_numeric_dtype(column.dtype) for column in columns]
    lines = [
        [inline(str(name)) for name in frame.columns],
        ["---:" if each else "---" for each in right],
        *([*row] for row in zip(*cells, strict=True)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
