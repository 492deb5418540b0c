"""The page of a trace: one file, nothing in it is ever run but its own script, and it works."""

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from making import direction
from markupsafe import escape
from traced_by_hand import model_of

import tl_steer as ts

NASTY = [
    '</script><script>document.title="run"</script>',
    "<!--<script>",
    "\"'><img src=x onerror=document.title='run'>",
    "half \ud83d of a character",
    "שלום \u202e reversed",
    "bell \x07 and null \x00",
    "{{ 7 * 7 }} {% raw %}",
]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
in_a_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the page with")


def nasty_trace() -> ts.Trace:
    """Names are a user's, and may say anything; so may tokens."""
    model = model_of("gpt2")
    one, two = (direction(model, f"blocks.{layer}.hook_resid_post") for layer in (0, 1))
    directions = dict(zip(NASTY, [one, two, *[one] * 5], strict=True))
    add = ts.Add(one, 0.8, scope=ts.generated)
    conditions = {NASTY[0]: None, NASTY[3]: ts.Steering(**{NASTY[2]: add})}
    traced = ts.trace(
        model, ["the film was", "a movie"], conditions,
        directions=directions, max_new_tokens=4, temperature=0, stop_at_eos=False, attention=1,
        keys=ts.Keywords("film"), progress=False,
    )  # fmt: skip
    for text in traced.texts:
        said = [NASTY[n % len(NASTY)] for n in range(len(text.tokens))]
        object.__setattr__(text, "pieces", tuple(said))
        object.__setattr__(text, "prompt", NASTY[1])
    said = {number: NASTY[number % len(NASTY)] for number in traced.vocabulary}
    return ts.Trace(traced.texts, said, traced.path)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nasty_trace().save(tmp_path_factory.mktemp("page") / "trace.html")


class Elements(HTMLParser):
    """What a parser finds: every element, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Elements()
    reader.feed(html)
    return reader.found


def test_the_page_is_whole_and_loads_nothing(page: Path) -> None:
    html = page.read_bytes().decode("utf-8")
    found = elements(html)
    assert [tag for tag, _ in found].count("script") == 2
    assert not any(tag in ("img", "link", "iframe", "object") for tag, _ in found)
    assert not any(name in ("src", "href") or name.startswith("on") for _, a in found for name in a)
    assert "default-src 'none'" in html
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", html)
    data = re.search('id="data">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert data[1].isascii()
    known = json.loads(data[1])
    assert known["conditions"] == [NASTY[0], "half \ufffd of a character"]
    assert [each["name"] for each in known["series"]][:2] == [NASTY[0], NASTY[2]]
    assert len(known["texts"]) == 4


def test_a_notebook_shows_it_without_scripts() -> None:
    traced = nasty_trace()
    html = traced._repr_html_()
    found = elements(html)
    assert {tag for tag, _ in found} <= {"div", "p", "span", "b", "bdi", "br"}
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)
    assert str(escape(NASTY[0])) in html
    assert str(escape(NASTY[6])) in html
    tokens = [a for tag, a in found if tag == "span" and a.get("title")]
    assert len(tokens) == sum(len(text.tokens) for text in traced.texts)
    # The first token of each text is a sink: it has no colour. The last was not read.
    first = [a for a in tokens if "underline dotted" in str(a["style"])]
    assert len(first) >= 4
    assert not any("background" in str(a["style"]) for a in first)
    assert any("background" in str(a["style"]) for a in tokens)


TRY = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="page" src="trace.html" width="400"></iframe>
<pre id="found"></pre><script>
document.getElementById("page").onload = () => {
  const page = document.getElementById("page").contentDocument, found = {};
  const all = (what) => [...page.querySelectorAll(what)];
  const look = () => ({
    where: page.getElementById("where").textContent,
    words: all(".words").map((each) => each.children.length),
    coloured: all(".words span").filter((each) => each.style.background).length,
    now: all(".words .now").length,
    first: all(".words")[0].children[0].textContent,
    facts: all(".facts").map((each) => each.textContent),
    alternatives: all(".card")[0].querySelectorAll(".token").length,
    chosen: all("[aria-checked=true]").map((each) => each.textContent),
    colour: all(".words span").map((each) => each.style.background).filter(Boolean)[0],
    lines: all("#chart path").length,
  });
  found.title = [page.title, document.title];
  found.start = look();
  all(".words")[1].children[1].click();
  found.clicked = look();
  page.getElementById("forth").click();
  found.forth = look();
  const slider = page.getElementById("position");
  slider.value = 5;
  slider.dispatchEvent(new Event("input"));
  found.scrubbed = look();
  all("#measures button").at(-1).click();
  found.measured = look();
  all("#measures button")[0].click();
  const palette = page.getElementById("palette");
  palette.value = "1";
  palette.dispatchEvent(new Event("change"));
  found.recoloured = look();
  const text = page.getElementById("text");
  text.value = "1";
  text.dispatchEvent(new Event("change"));
  found.other = look();
  found.wide = page.documentElement.scrollWidth;
  found.images = all("img").length;
  document.getElementById("found").textContent = JSON.stringify(found);
};
</script>"""


@in_a_browser
def test_it_works_in_a_browser(page: Path, tmp_path: Path) -> None:
    page.with_name("try.html").write_text(TRY, encoding="utf-8")
    assert BROWSER is not None
    run = subprocess.run(
        [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=20000", "--dump-dom", page.with_name("try.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    came = re.search('<pre id="found">(.+?)</pre>', run.stdout, re.DOTALL)
    assert came is not None, run.stdout[-2000:]
    found = json.loads(unescape(came[1]))
    assert found["title"] == ["Trace", ""]
    assert found["images"] == 0
    assert found["wide"] <= 401  # a share of a pixel is rounded up
    start = found["start"]
    assert start["words"] == [7, 7]
    assert start["now"] == start["lines"] == 2
    assert start["coloured"] == 10
    assert start["first"] == NASTY[0]
    assert start["where"].startswith("4 of 7, written")
    assert start["alternatives"] == 5
    assert start["chosen"] == [f"{NASTY[0]} · 0"]
    assert any(f"{NASTY[2]}, layer 0" in each and "acts yes" in each for each in start["facts"])
    assert found["clicked"]["where"].startswith("2 of 7, prompt")
    assert any("acts no" in each for each in found["clicked"]["facts"])
    assert found["forth"]["where"].startswith("3 of 7, prompt")
    assert found["scrubbed"]["where"].startswith("6 of 7, written")
    assert found["measured"]["chosen"] == ["KL from unsteered"]
    assert found["measured"]["coloured"] != found["scrubbed"]["coloured"]
    assert found["recoloured"]["colour"] != start["colour"]
    assert found["other"]["words"] == [6, 6]
