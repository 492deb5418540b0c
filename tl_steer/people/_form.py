"""A rating sheet as one HTML page: no network, nothing outside it, one small script of its own."""

import base64
import hashlib

import pandas as pd
from markupsafe import Markup

from tl_steer.page.templates import html_of, part
from tl_steer.people._question import FIRST, SAME, SECOND, SKIP, Question

_WORDS = {FIRST: "The first", SAME: "No difference", SECOND: "The second"}
_PAIR_KEYS = {FIRST: "1", SAME: "0", SECOND: "2"}


def form_html(question: Question, items: pd.DataFrame, sheet: str) -> str:
    """Set a sheet as a page for raters.

    It asks one text at a time, or all in a list; keeps what was answered in the browser where that
    allows it; and gives a CSV file to be sent back, one row an item with the columns ``sheet``,
    ``rater``, ``item``, ``rating`` and ``comment``. All texts are escaped. The page's policy allows
    its own script and style, by their hashes, and nothing else: nothing is loaded or sent.

    Args:
        question: What is asked.
        items: ``item``, ``prompt``, and ``text`` or ``first`` and ``second``; in order.
        sheet: Name of the sheet.

    Returns:
        The page, to be written as UTF-8.
    """
    return html_of(
        "people/form.html",
        question=question,
        items=items.to_dict("records"),
        sheet=sheet,
        words=_WORDS,
        keys=_PAIR_KEYS,
        sides=(FIRST, SECOND),
        skip=SKIP,
        script=Markup(part("people/form.js")),
        style=Markup(part("people/form.css")),
        hash=_hash,
    )


def _hash(content: str) -> Markup:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return Markup(f"sha256-{base64.b64encode(digest).decode('ascii')}")
