"""The report and the table: read back with a parser, as a browser would."""

import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from matplotlib.figure import Figure

from tl_steer.drawing.canvas import single, titled
from tl_steer.errors import DataError
from tl_steer.page.html import Piece, coloured_html, escaped, page_html, result_html, table_html
from tl_steer.page.sections import Illustration, Section

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; <img src=http://x.example/a.png>"


class Page(HTMLParser):
    """What is on a page: its elements, their attributes, and the text of cells."""

    EMPTY = frozenset({"meta", "br"})

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


def drawn(title: str = "") -> Figure:
    figure, axes = single(1.0)
    axes.plot([1, 2])
    return titled(figure, title)


def report(title: str = "A title", heading: str = "A heading", **changes: object) -> str:
    given = {
        "paragraphs": ["First.", "Second."],
        "facts": {"model": "tiny"},
        "tables": {"Numbers": pd.DataFrame({"condition": ["none"], "judge": [0.5]})},
        "texts": {"Side by side": pd.DataFrame({"prompt": ["This"], "none": [" is."]})},
    }
    return page_html(title, [Section(heading, **(given | changes))])


def test_everything_given_is_on_the_page_in_order() -> None:
    page = Page(report())
    places = [
        page.text.index(text)
        for text in ("First.", "Second.", "model", "tiny", "Numbers", "Side by side", " is.")
    ]
    assert places == sorted(places)
    assert page.cells == ["condition", "judge", "none", "0.500", "prompt", "none", "This", " is."]


def test_hostile_text_stays_text_wherever_it_is_put() -> None:
    sane = {"points": ["a"], "files": {"a": "b"}}
    plain = Page(report(pictures=[Illustration("a", "b", drawn("c"))], **sane))
    page = Page(
        report(
            title=HOSTILE,
            heading=HOSTILE,
            paragraphs=[HOSTILE, HOSTILE],
            points=[HOSTILE],
            facts={HOSTILE: HOSTILE},
            files={"a": HOSTILE},
            tables={HOSTILE: pd.DataFrame({HOSTILE: [HOSTILE], "n": [1]})},
            pictures=[Illustration("a", HOSTILE, drawn("<script>x</script>"))],
            texts={HOSTILE: pd.DataFrame({"prompt": [HOSTILE], HOSTILE: [HOSTILE]})},
        )
    )
    assert page.tags == plain.tags
    assert page.text.count(HOSTILE) == 2 + 1 + 2 + 1 + 2 + 1 + 3 + 1 + 1 + 3
    assert ("data-of", HOSTILE) in page.attributes
    assert ("aria-label", "<script>x</script>") in page.attributes
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_hostile_text_stays_text_in_what_a_notebook_shows() -> None:
    frame = pd.DataFrame({HOSTILE: [HOSTILE]}, index=[HOSTILE])
    page = Page(result_html(HOSTILE, frame, points=[HOSTILE]))
    assert page.text.count(HOSTILE) == 1 + 1 + 3
    assert page.tags == Page(result_html("a", pd.DataFrame({"b": ["c"]}, ["d"]), points="e")).tags
    piece = Piece(HOSTILE, "red", HOSTILE)
    page = Page(coloured_html(HOSTILE, [piece], [piece]))
    assert page.text.count(HOSTILE) == 3
    assert ("title", HOSTILE) in page.attributes
    assert page.tags == {"div": 1, "p": 2, "br": 1, "span": 2}


def test_the_page_refers_to_nothing_outside_itself() -> None:
    html = report(pictures=[Illustration("a", "b", drawn("c"))])
    page = Page(html)
    outside = [v for n, v in page.attributes if n in ("src", "href", "srcset", "action")]
    assert outside == []
    # A part of the same picture is meant by #.
    assert all(v.startswith("#") for n, v in page.attributes if n == "xlink:href")
    assert not re.search(r"https?:|//|@import|url\((?!#)", html)
    assert not {"script", "link", "iframe", "object", "form", "img"} & page.tags.keys()


def test_a_figure_is_in_the_page_and_said_to_those_who_cannot_see_it() -> None:
    illustration = Illustration("a", "The caption", drawn("What it shows"))
    html = report(pictures=[illustration])
    page = Page(html)
    body = illustration.svg[illustration.svg.index("<g>") :]
    assert body in html
    assert ("aria-label", "What it shows") in page.attributes
    assert "The caption" in page.text
    assert Illustration("a", "The caption", drawn()).said == "The caption"


def test_what_is_absent_has_no_heading() -> None:
    page = Page(report(heading="", facts={}, tables={}, texts={}))
    assert page.tags["h2"] == page.tags["h3"] == 0


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
    page = Page(report(tables={"T": pd.DataFrame({"x": column})}, texts={}))
    assert page.cells == ["x", *shown]


def test_two_columns_of_one_name_in_a_table_are_both_shown() -> None:
    frame = pd.DataFrame([[1, 2.5]], columns=["x", "x"])
    page = Page(report(tables={"T": frame}, texts={}))
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
        report(texts={"": pd.DataFrame({"none": ["x", float("nan")]}, dtype=object)})
    with pytest.raises(DataError, match="a name of its own"):
        report(texts={"": pd.DataFrame([["x", "y"]], columns=["none", "none"])})


@pytest.mark.parametrize(
    ("frame", "cells"),
    [
        (
            {"judge": [0.814], "judge_low": [0.77], "judge_high": [0.85], "n": [3]},
            ["judge", "n", "0.81 [0.77, 0.85]", "3"],
        ),
        (
            {"effect": [-0.05], "low": [-0.274], "high": [0.185]},
            ["effect", "-0.05 [-0.27, 0.18]"],
        ),
        ({"x": [0.004], "x_low": [0.001], "x_high": [0.009]}, ["x", "4.0e-03 [1.0e-03, 9.0e-03]"]),
        ({"x": [12.34], "x_low": [np.nan], "x_high": [np.nan]}, ["x", "12.3"]),
        ({"x": [np.nan], "x_low": [np.nan], "x_high": [np.nan]}, ["x", "–"]),
        ({"x": ["a"], "low": [1.0], "high": [2.0]}, ["x", "low", "high", "a", "1.000", "2.000"]),
        ({"low": [1.0], "high": [2.0]}, ["low", "high", "1.000", "2.000"]),
    ],
)
def test_an_estimate_stands_with_its_interval(frame: dict, cells: list[str]) -> None:
    assert Page(result_html("", pd.DataFrame(frame))).cells == cells


def test_an_index_of_names_is_shown_and_one_of_numbers_is_not() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=["a", "b"])
    assert Page(result_html("", frame)).cells == ["", "x", "a", "1", "b", "2"]
    assert Page(result_html("", frame.rename_axis("who"))).cells[:2] == ["who", "x"]
    assert Page(result_html("", frame.reset_index(drop=True)[1:])).cells == ["x", "2"]


def test_a_long_table_says_how_much_is_not_shown() -> None:
    page = Page(result_html("", pd.DataFrame({"x": range(2030)}), most=30))
    assert len(page.cells) == 31
    assert "and 2,000 more rows" in page.text
