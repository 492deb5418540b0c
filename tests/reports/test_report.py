"""The report: read back with parsers, as a browser and as GitHub would."""

import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
from frames_of import (
    HOSTILE,
    JUDGE,
    PROMPTS,
    cells_of,
    chosen,
    controlled_of,
    results_of,
    texts_of_cells,
)
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt

from tl_steer.page.html import page_html
from tl_steer.page.markdown import inline, page_markdown, table
from tl_steer.page.sections import Section
from tl_steer.reports._data import DESCRIBED
from tl_steer.reports._rendering import report_html, report_markdown
from tl_steer.reports._results import StudyResults
from tl_steer.reports._sections import sections_of

pytestmark = pytest.mark.once

PARSER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
HEADINGS = [
    "What was asked",
    "What was found",
    "What was run",
    "Methods and prompts",
    "Beside controls",
    "What a dose does",
    "What it costs",
    "Where",
    "Prompt by prompt",
    "Texts side by side",
    "People beside judges",
    "Operating points",
    "Limits",
    "Data",
]


class Page(HTMLParser):
    """Elements, attributes and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[str] = []
        self.text = ""
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open == "h2" and data.strip():
            self.headings.append(data)


@cache
def small() -> StudyResults:
    """Everything that a report can have, in little."""
    return results_of(
        cells=cells_of(layers=[3, 4], controls=3, strengths=[-1.0, 1.0, 2.0]),
        chosen=chosen().assign(hook_name="blocks.4.hook_resid_post"),
        texts=texts_of_cells(layer=4, prompts=PROMPTS[:4], samples=2),
        controlled={"mean difference": controlled_of(0.2, controls=3, shuffled=None)},
    )


def bare(**changes: Any) -> StudyResults:
    empty = pd.DataFrame()
    nothing: dict[str, Any] = dict.fromkeys(("cells", "texts", "table", "chosen"), empty)
    nothing |= {"controlled": {}, "limits": (), "people": None, "agreement": None, "facts": {}}
    return results_of(**(nothing | {"question": ""} | changes))


def test_the_page_has_every_section_in_order_and_refers_to_nothing_outside() -> None:
    html = report_html(small())
    page = Page(html)
    assert page.headings == HEADINGS
    assert page.tags["svg"] == page.tags["figure"] == 5
    sources = [value for name, value in page.attributes if name in ("src", "srcset")]
    assert sources == []
    # Files beside the page, by their names alone; and parts of the same picture.
    there = set(DESCRIBED) - {"tried.csv", "separation.csv"}
    assert {value for name, value in page.attributes if name == "href"} == there
    assert all(str(value)[0] == "#" for name, value in page.attributes if name == "xlink:href")
    assert not re.search(r"https?:|//|@import|url\((?!#)", html)
    assert not {"script", "link", "iframe", "object", "form", "img"} & page.tags.keys()


def test_both_reports_say_what_was_found_in_the_same_words() -> None:
    page, text = Page(report_html(small())).text, rendered(report_markdown(small()))
    for words in (
        "mean difference beats its controls: effect +0.2",
        "pca of differences was not set beside controls, so nothing is claimed for it.",
        "Prompts that moved the other way: 1 of 4 under mean difference.",
        "best, 1 of 8",
        "worst, 8 of 8",
        "Krippendorff's α is 0.61",
        "One judge was trained on reviews.",
        "largest effect under 1.5 times the perplexity",
    ):
        assert words in page
        assert words in text


def test_only_the_anti_steerable_prompts_are_listed() -> None:
    (section,) = [each for each in sections_of(small()) if each.heading == "Prompt by prompt"]
    (listed,) = section.tables.values()
    assert list(listed["prompt"]) == [PROMPTS[3]]


@pytest.mark.parametrize(
    ("changes", "headings"),
    [
        ({}, []),
        ({"question": "Why?"}, ["What was asked"]),
        ({"facts": {"model": "tiny"}}, ["What was run"]),
        ({"limits": ["One seed."]}, ["Limits"]),
        ({"agreement": "α = .6"}, ["People beside judges"]),
        ({"table": pd.DataFrame({"method": ["none"]})}, ["Methods and prompts", "Data"]),
        ({"chosen": chosen()}, ["Operating points", "Data"]),
        (
            {"controlled": {"joy": controlled_of(controls=2)}},
            ["What was found", "Beside controls", "Prompt by prompt", "Texts side by side", "Data"],
        ),
        (
            {"cells": cells_of(layers=[3], controls=0).assign(perplexity=float("nan"))},
            ["What was found", "What a dose does", "Data"],
        ),
        ({"cells": cells_of({}, controls=0)}, ["What was found", "Data"]),
    ],
)
def test_a_section_without_data_is_left_out(changes: dict[str, Any], headings: list[str]) -> None:
    results = bare(**changes)
    assert [each.heading for each in sections_of(results)] == headings
    assert Page(report_html(results)).headings == headings


def test_without_controls_nothing_is_claimed() -> None:
    found = bare(cells=cells_of(layers=[3], controls=0))
    (section,) = [each for each in sections_of(found) if each.heading == "What was found"]
    assert "nothing is claimed" in section.paragraphs[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"texts": texts_of_cells(prompts=PROMPTS[:1], samples=1, anti=[])},
        {"texts": texts_of_cells(prompts=PROMPTS[:2]).assign(**{JUDGE: float("nan")})},
        {"texts": texts_of_cells().query("direction != 'none'")},
        {"texts": pd.DataFrame(), "controlled": {}},
        {"chosen": chosen(strength=3.7)},
    ],
)
def test_a_report_is_made_of_little_or_broken_data(changes: dict[str, Any]) -> None:
    cells = cells_of(layers=[17], controls=2, strengths=[1.0, 2.0])
    given = {"controlled": {"joy": controlled_of(controls=2)}, "cells": cells} | changes
    headings = Page(report_html(results_of(**given))).headings
    assert set(headings) <= set(HEADINGS)
    assert headings[:3] == HEADINGS[:3]
    # Those that have no texts of their own are left out, not the others.
    assert ("Texts side by side" in headings) == bool(given["controlled"])


def hostile() -> Section:
    frame = pd.DataFrame({"prompt": [HOSTILE], HOSTILE: [HOSTILE]})
    return Section(
        HOSTILE,
        [HOSTILE],
        [HOSTILE],
        {HOSTILE: HOSTILE},
        tables={HOSTILE: frame.assign(n=1.5)},
        texts={HOSTILE: frame},
    )


def test_hostile_text_stays_text_in_html() -> None:
    page = Page(page_html(HOSTILE, [hostile()]))
    assert page.text.count("</td><script>alert(1)</script>") == 2 + 1 + 1 + 1 + 2 + 2 * 4
    assert not {"script", "a", "img", "em", "code"} & page.tags.keys()


def test_hostile_text_stays_text_in_markdown() -> None:
    text = page_markdown(HOSTILE, [hostile()])
    text.encode("utf-8")
    shown = Page(PARSER.render(text))
    assert shown.text.count("</td><script>alert(1)</script>") == 1 + 1 + 1 + 1 + 2 + 2 * 4
    assert not {"script", "a", "img", "em", "code"} & shown.tags.keys()
    assert shown.tags["table"] == 2
    assert shown.tags["tr"] == 4
    assert shown.tags["td"] == 3 + 2
    assert shown.tags["h1"] == shown.tags["h2"] == 1
    assert "$\\alpha$" in shown.text


LETTERS = st.text(st.sampled_from("a1 .)#+-=*_`[]()!|<>&\\$~:/\nw@{}'\""), max_size=14)


def rendered(markdown: str) -> str:
    return Page(PARSER.render(markdown)).text


@settings(deadline=None, max_examples=300)
@given(LETTERS)
def test_any_text_comes_back_from_markdown(text: str) -> None:
    wanted = " ".join(text.split())
    for block in (inline(text), f"- {inline(text)}", f"## {inline(text)}"):
        html = PARSER.render(block).replace("<br>", " ")
        page = Page(html)
        assert " ".join(page.text.split()) == wanted
        assert not {"a", "img", "em", "strong", "code", "hr", "ol", "del"} & page.tags.keys()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=3))
def test_any_text_comes_back_from_a_table(rows: list[tuple[str, str]]) -> None:
    html = PARSER.render(table(pd.DataFrame(rows, columns=["a", "b"])))
    cells = re.findall(r"<td>(.*?)</td>", html, re.DOTALL)
    found = [" ".join(Page(cell.replace("<br>", " ")).text.split()) for cell in cells]
    assert found == [" ".join(text.split()) for row in rows for text in row]


@pytest.mark.parametrize("address", ["http://x.example/a", "https://x.example", "www.x.example"])
def test_bare_addresses_do_not_become_links(address: str) -> None:
    assert not re.search(r"(?i)(https?|ftp)://|\bwww\.", inline(f"see {address}"))
    assert rendered(inline(address)).strip() == address


def test_numbers_in_markdown_are_plain_and_to_the_right() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "x": [-0.5, 12.25], "n": [1, 2]})
    assert table(frame) == (
        "| name | x | n |\n| --- | ---: | ---: |\n| a | -0.50 | 1 |\n| b | 12.25 | 2 |"
    )
