"""The form: one page, its own script and nothing else, and texts that stay texts."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from making_people import HOSTILE, texts

from tl_steer.files.csv_cells import FORMULA, guarded, unguarded
from tl_steer.people._form import form_html
from tl_steer.people._question import Question
from tl_steer.people._sheet import rating_sheet


class Page(HTMLParser):
    """Tags with their attributes, texts, and what stands in scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.passages: list[str] = []
        self.inside = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "div" and ("class", "passage") in attrs:
            self.passages.append("")
            self.inside = 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.inside = 0

    def handle_data(self, data: str) -> None:
        last = self.tags[-1][0] if self.tags else ""
        if last in self.raw and self.cdata_elem == last:
            self.raw[last].append(data)
        elif self.inside:
            self.passages[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(kind: str = "single", **changes: object) -> Page:
    frame = texts(("one", "two"), prompts=3, samples=3, text=lambda c, p, s: HOSTILE[3 * p + s])
    sheet = rating_sheet(frame, **({"question": "How?", "kind": kind} | changes))
    return Page(sheet.html())


def digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@pytest.mark.parametrize("kind", ["single", "pair"])
def test_the_policy_allows_this_script_and_this_style_and_nothing_else(kind: str) -> None:
    found = page(kind)
    (policy,) = [meta["content"] for meta in found.named("meta") if "http-equiv" in meta]
    (script,), (style,) = ("".join(found.raw["script"]),), ("".join(found.raw["style"]),)
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digest(script)}'; "
        f"style-src 'sha256-{digest(style)}'; base-uri 'none'; form-action 'none'"
    )
    assert len(script) > 1000
    assert len(found.named("script")) == len(found.named("style")) == 1
    for _, attributes in found.tags:
        assert not {"style", "src", "href", "action", "srcset"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?:|@import|url\(|fetch|XMLHttp|eval|innerHTML", script + style)


@pytest.mark.parametrize("kind", ["single", "pair"])
def test_hostile_texts_stay_texts(kind: str) -> None:
    sane = texts(("one", "two"), prompts=3, samples=3)
    plain = Page(rating_sheet(sane, question="How?", kind=kind).html())
    found = page(kind, question=HOSTILE[0], labels=(HOSTILE[0], HOSTILE[5]))
    without_spans = [tag for tag, _ in found.tags if tag != "span"]
    assert without_spans == [tag for tag, _ in plain.tags if tag != "span"]


def test_every_text_is_there_after_its_prompt() -> None:
    frame = texts(("one", "two"), prompts=3, samples=3, text=lambda c, p, s: HOSTILE[3 * p + s])
    sheet = rating_sheet(frame, question="How?")
    # A parser takes every kind of line break for the same.
    wanted = [
        (row["prompt"] + row["text"]).replace("\r\n", "\n").replace("\r", "\n")
        for row in sheet.items.to_dict("records")
    ]
    assert [re.sub("\r\n?", "\n", text) for text in Page(sheet.html()).passages] == wanted


@pytest.mark.parametrize(
    ("kind", "answers"),
    [("single", ["1", "2", "3", "4", "5", "skip"]), ("pair", ["first", "same", "second", "skip"])],
)
def test_every_item_has_its_answers_and_a_comment_under_labels(
    kind: str, answers: list[str]
) -> None:
    found = page(kind)
    items = [fieldset["data-item"] for fieldset in found.named("fieldset")]
    radios = [each for each in found.named("input") if each["type"] == "radio"]
    assert [radio["name"] for radio in radios] == [item for item in items for _ in answers]
    assert [radio["value"] for radio in radios] == answers * len(items)
    labels = found.named("label")
    # Around each answer and comment, for the name and the copy, and around two settings.
    assert len(labels) == len(radios) + len(items) + 2 + 2
    targets = {attributes.get("id") for _, attributes in found.tags}
    assert {label["for"] for label in labels if "for" in label} <= targets


def test_words_that_would_run_into_one_are_apart() -> None:
    items = pd.DataFrame(
        [{"item": "b", "prompt": "The", "text": text} for text in (" film", "film", ", too", "")]
    )
    html = form_html(Question("How?"), items, "sheet")
    assert re.findall('class="(given.*?)"', html) == ["given", "given apart", "given", "given"]


def test_the_script_guards_the_same_cells_as_python() -> None:
    script = "".join(page().raw["script"])
    (pattern,) = re.findall(r"const formula = /(.*)/;", script)
    assert pattern == FORMULA.pattern


@given(
    st.text(
        alphabet=st.sampled_from("'=+-@\t\r\n \u00a0\uff1d\uff0b\uff0d\uff20a1,;\""), max_size=8
    )
)
@settings(deadline=None)
def test_guarding_is_undone_and_leaves_no_formula(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not cell.startswith(("\t", "\r", "\n"))
    assert not cell.lstrip(" \u00a0\t\r\n").startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize("text", ["'tis fine", "a=b", "2-1", "", "“quoted”"])
def test_what_is_no_formula_is_left_alone(text: str) -> None:
    assert guarded(text) == unguarded(text) == text
