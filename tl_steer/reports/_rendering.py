"""The report of a study as a page of HTML, and as Markdown."""

from tl_steer.arguments import checked
from tl_steer.page.markdown import page_markdown
from tl_steer.reports._results import StudyResults
from tl_steer.reports._sections import sections_of


@checked
def report_html(results: StudyResults) -> str:
    """Set what a study found as one page that needs no other file, no script and no network.

    All texts are escaped. The page follows the reader's light or dark setting, fits a telephone,
    and prints.

    Args:
        results: What was found.

    Returns:
        The page, to be written as UTF-8.
    """
    return results.html()


@checked
def report_markdown(results: StudyResults) -> str:
    """Set what a study found as Markdown; pictures are ``figures/<name>.svg``.

    All texts are escaped: nothing in them is markup, HTML, a link, a formula or a table's border.

    Args:
        results: What was found.

    Returns:
        The text, to be written as UTF-8.
    """
    return page_markdown(results.title, sections_of(results))
