"""The report and the table: read back with a parser, as a browser would."""

import base64
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from matplotlib.figure import Figure

from tl_steer.drawing.plots import figure_png
from tl_steer.errors import DataError
from tl_steer.page.html import escaped, table_html
from tl_steer.page.html_report import (
    facts_html,
    numbers_html,
    page_html,
    picture_html,
    section_html,
    side_by_side_html,
)

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; <img src=http://x.example/a.png>"


class Page(HTMLParser):
    """What is on a page: its elements, their attributes, and the text of cells."""

    EMPTY = frozenset({"meta", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in self.EMPTY:
            self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.cells[-1] += data


def report(**changes: Any) -> str:
    """A page with everything that there is to put on one."""
    given: dict[str, Any] = {
        "title": "A title",
        "summary": ["First.", "Second."],
        "facts": {"model": "tiny"},
        "tables": {"Numbers": pd.DataFrame({"condition": ["none"], "judge": [0.5]})},
        "figures": {},
        "examples": pd.DataFrame({"prompt": ["This"], "none": [" is."]}),
    } | changes
    pictures = (picture_html(name, figure_png(each)) for name, each in given["figures"].items())
    parts = [
        *(f"<p>{escaped(paragraph)}</p>" for paragraph in given["summary"]),
        section_html("What was run", facts_html(given["facts"])),
        *(section_html(name, numbers_html(each)) for name, each in given["tables"].items()),
        *pictures,
    ]
    if len(given["examples"]):
        parts.append(section_html("Side by side", side_by_side_html(given["examples"])))
    return page_html(given["title"], parts)


def test_everything_given_is_on_the_page_in_order() -> None:
    page = Page(report())
    places = [
        page.text.index(text)
        for text in ("First.", "Second.", "model", "tiny", "Numbers", "Side by side", " is.")
    ]
    assert places == sorted(places)
    assert page.cells == ["condition", "judge", "none", "0.500", "prompt", "none", "This", " is."]


def test_hostile_text_stays_text_wherever_it_is_put() -> None:
    plain = Page(report(figures={"a": Figure((1, 1))}))
    page = Page(
        report(
            title=HOSTILE,
            summary=[HOSTILE, HOSTILE],
            facts={HOSTILE: HOSTILE},
            tables={HOSTILE: pd.DataFrame({HOSTILE: [HOSTILE], "n": [1]})},
            figures={HOSTILE: Figure((1, 1))},
            examples=pd.DataFrame({"prompt": [HOSTILE], HOSTILE: [HOSTILE]}),
        )
    )
    assert page.tags == plain.tags
    assert page.text.count(HOSTILE) == 2 + 2 + 2 + 3 + 1 + 3
    assert ("alt", HOSTILE) in page.attributes
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_the_page_refers_to_nothing_outside_itself() -> None:
    html = report(figures={"One": Figure((1, 1))})
    page = Page(html)
    outside = [(n, v) for n, v in page.attributes if n in ("src", "href", "srcset", "action")]
    assert len(outside) == 1
    assert outside[0][1].startswith("data:image/png;base64,")
    assert not re.search(r"https?:|//|@import|url\(", html.replace(outside[0][1], ""))
    assert not {"script", "link", "iframe", "object", "form"} & page.tags.keys()


def test_a_figure_is_in_the_page_byte_for_byte() -> None:
    figure = Figure((1, 1))
    figure.add_subplot().plot([1, 2])
    page = Page(report(figures={"The caption": figure}))
    (source,) = [value for name, value in page.attributes if name == "src"]
    assert base64.b64decode(source.split(",")[1]) == figure_png(figure)
    assert "The caption" in page.text


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ([0.5, 0.25], ["0.500", "0.250"]),
        ([12.345, 9.0], ["12.35", "9.00"]),
        ([1234.56, 1.0], ["1234.6", "1.0"]),
        ([0.00012, 0.0], ["1.20e-04", "0.00e+00"]),
        ([np.nan, 0.5], ["–", "0.500"]),
        ([np.inf, 0.5], ["inf", "0.500"]),
        ([64, 128], ["64", "128"]),
        (["a", None], ["a", "–"]),
        ([True, False], ["True", "False"]),
    ],
)
def test_numbers_are_readable(column: list, shown: list[str]) -> None:
    page = Page(report(tables={"T": pd.DataFrame({"x": column})}, examples=pd.DataFrame()))
    assert page.cells == ["x", *shown]


def test_two_columns_of_one_name_in_a_table_are_both_shown() -> None:
    frame = pd.DataFrame([[1, 2.5]], columns=["x", "x"])
    page = Page(report(tables={"T": frame}, examples=pd.DataFrame()))
    assert page.cells == ["x", "x", "1", "2.500"]


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5), TEXT)
def test_any_text_comes_back_from_the_table(rows: list[tuple[str, str]], caption: str) -> None:
    columns = {"prompt": [a for a, _ in rows], "steered": [b for _, b in rows]}
    page = Page(table_html(columns, caption=caption))
    assert page.cells == ["prompt", "steered", *(text for row in rows for text in row)]
    assert page.tags["tr"] == len(rows) + 1
    assert page.tags["caption"] == bool(caption)
    assert page.text.count(caption) >= 1


@given(st.text(max_size=30))
def test_escaped_text_can_always_be_written_as_utf_8(text: str) -> None:
    shown = escaped(text + "\ud800\x00")
    shown.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f<>\"']", shown)


def test_line_breaks_stay() -> None:
    assert Page(table_html({"x": ["one\n\ttwo"]}, caption="")).cells == ["x", "one\n\ttwo"]


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(DataError, match=r"differ in length: \{'a': 1, 'b': 2\}"):
        table_html({"a": ["x"], "b": ["x", "y"]}, caption="")
    with pytest.raises(DataError, match="no column"):
        table_html({}, caption="")


def test_examples_have_to_be_texts_in_columns_of_their_own() -> None:
    with pytest.raises(DataError, match="column 'none', row 1 is nan"):
        side_by_side_html(pd.DataFrame({"none": ["x", float("nan")]}, dtype=object))
    with pytest.raises(DataError, match="a name of its own"):
        side_by_side_html(pd.DataFrame([["x", "y"]], columns=["none", "none"]))
