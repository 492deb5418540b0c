"""The report as one HTML page that needs no other file, no script and no network."""

from collections.abc import Iterator

from tl_steer.arguments import checked
from tl_steer.page.html import escaped
from tl_steer.page.html_report import (
    facts_html,
    numbers_html,
    page_html,
    picture_html,
    section_html,
    side_by_side_html,
)
from tl_steer.reports._results import StudyResults
from tl_steer.reports._sections import Section, sections_of


@checked
def report_html(results: StudyResults) -> str:
    """Set what a study found as one page.

    All texts are escaped. The page follows the reader's light or dark setting, fits a telephone,
    and prints.

    Args:
        results: What was found.

    Returns:
        The page, to be written as UTF-8.
    """
    return page_of(results.title, sections_of(results))


def page_of(title: str, sections: list[Section]) -> str:
    """A page of sections.

    Args:
        title: The heading.
        sections: In order.
    """
    return page_html(
        title, [section_html(each.heading, "\n".join(_parts(each))) for each in sections]
    )


def _parts(section: Section) -> Iterator[str]:
    for paragraph in section.paragraphs:
        yield f"<p>{escaped(paragraph)}</p>"
    if section.points:
        points = "\n".join(f"<li>{escaped(point)}</li>" for point in section.points)
        yield f"<ul>\n{points}\n</ul>"
    if section.facts:
        yield facts_html(section.facts)
    for picture in section.pictures:
        yield picture_html(picture.caption, picture.png)
    for caption, frame in section.tables.items():
        yield f"{_heading(caption)}{numbers_html(frame)}"
    for caption, frame in section.texts.items():
        yield f'{_heading(caption)}<div class="wide">{side_by_side_html(frame)}</div>'


def _heading(caption: str) -> str:
    return f"<h3>{escaped(caption)}</h3>\n" if caption else ""
