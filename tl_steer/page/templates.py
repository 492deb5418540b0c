"""Templates, from the files of the package; whatever is put into one is escaped."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tl_steer.files.characters import printable

if TYPE_CHECKING:
    from jinja2 import Environment


def html_of(name: str, **values: Any) -> str:
    """Fill in a template of HTML.

    Every text is escaped, in elements and attributes, and control characters and lone surrogates
    become the replacement character; :class:`~markupsafe.Markup` stays as it is.

    Args:
        name: The file, within the package: ``page/page.html``.
        values: By the names that the template has.
    """
    return _environment(_printable, html=True).get_template(name).render(values)


def markdown_of(name: str, marked: Callable[[Any], Any], **values: Any) -> str:
    """Fill in a template of Markdown.

    Args:
        name: The file, within the package.
        marked: What is done to every value.
        values: By the names that the template has.
    """
    return _environment(marked, html=False).get_template(name).render(values)


def part(name: str) -> str:
    """A file of the package as it stands, such as a style sheet."""
    return files("tl_steer").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment(finalize: Callable[[Any], Any], *, html: bool) -> "Environment":
    # Imported here: most of what is done with the library needs no page.
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(part),
        autoescape=html,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _printable(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(str(value))
