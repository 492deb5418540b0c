"""README and docs: every block of Python runs as it stands, and prints what it is said to print.

``tests/pages.py`` tells how pages are written for that.
"""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from making import hooks_of
from pages import PAGES, ROOT, blocks_of, capture_once, packaged, same, started

import tl_steer as ts

pytestmark = pytest.mark.once


@pytest.mark.packaged
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_runs_and_prints_what_it_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = hooks_of(packaged())  # made by the function whose place it then takes
    monkeypatch.setattr("tl_steer.packaged_model", packaged)
    monkeypatch.setattr("tl_steer.capture", capture_once(ts.capture))
    for block, printed in started(path).run(path.read_text(encoding="utf-8")):
        if block.output is not None and not same(printed, block.output):
            pytest.fail(f"{path.name}, line {block.line} printed\n{printed}\nnot\n{block.output}")
    assert hooks_of(packaged()) == before
    plt.close("all")


PAGE = """
<!-- hidden
x = 1
-->

```python
y = x + 1
print("y is")
y
```

<!-- output -->

```text
y is
2
```

```text
Not an output.
```

<!-- refused -->

```python
raise ts.SteerError("no")
```

<!-- output -->
```text
SteerError: no
```

<!-- needs: something -->

```python
import something_that_is_not_there
```
"""


def test_a_page_is_read_as_it_is_meant(tmp_path: Path) -> None:
    came = list(started(tmp_path / "page.md").run(PAGE))
    assert [printed for _, printed in came] == ["", "y is\n2\n", "SteerError: no\n"]
    assert [block.output for block, _ in came] == [None, "y is\n2\n", "SteerError: no\n"]
    lines = PAGE.splitlines()
    for block, _ in came[1:]:
        start, stop = block.output_lines
        assert "\n".join(lines[start:stop]) + "\n" == block.output
    with pytest.raises(AssertionError, match="nothing was refused"):
        list(started(tmp_path / "page.md").run("<!-- refused -->\n\n```python\n1\n```\n"))
    with pytest.raises(SyntaxError):
        list(started(tmp_path / "page.md").run("<!-- needs: x -->\n\n```python\n1 +\n```\n"))


@pytest.mark.parametrize(
    ("came", "shown", "alike"),
    [
        ("dose 0.2031\n", "dose 0.203", True),
        ("dose 0.25", "dose 0.2", False),
        ("a  0.51   b", "a 0.512 b", True),
        ("The film was good", "The film was bad", False),
        ("layer 15", "layer 16", False),
        ("one\ntwo", "one", False),
        ("−0.31", "0.31", False),
    ],
)
def test_what_is_the_same(came: str, shown: str, alike: bool) -> None:
    assert same(came, shown) is alike


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as links have them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def dead_links(page: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    dead = []
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not re.match(r"\w+:", link) and (
            not target.exists() or (anchor and anchor not in anchors(target))
        ):
            dead.append(link)
    return dead


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Some words, here\n[a](#some-words-here) [b](page.md) [c](https://c.example)\n"
    )
    assert dead_links(page) == []
    page.write_text("# Some\n[a](#other) [b](gone.md)\n```\n[c](no-link)\n```\n")
    assert dead_links(page) == ["#other", "gone.md"]


def test_no_link_is_dead() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assert {page.name: found for page in pages if (found := dead_links(page))} == {}


def test_every_page_is_in_the_navigation() -> None:
    listed = set()
    for page in (ROOT / "docs").rglob("*.md"):
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            names = [line for line in tree.split() if not line.startswith(":")]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    pages = set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs" / "index.md"}
    assert {page.resolve() for page in pages} - listed == set()


FIRST_DAY = (
    "my_texts",
    "my_vector",
    "chat_pairs",
    "layer_and_strength",
    "token_projections",
    "keyword",
    "generated_projections",
)


@pytest.mark.parametrize("name", FIRST_DAY)
def test_the_tasks_of_the_first_day_are_short(name: str) -> None:
    page = ROOT / "docs" / "recipes" / f"{name}.md"
    block = next(each for each in blocks_of(page.read_text(encoding="utf-8")) if not each.hidden)
    lines = [line for line in block.code.splitlines() if line and "import" not in line]
    assert len(lines) <= 8


def test_all_python_is_run() -> None:
    """A block under another name would not be."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        shown = [block for block in blocks_of(text) if not block.hidden]
        assert text.count("```python\n") == len(shown)
        assert not any(f"```{name}" in text for name in ("py\n", "Python", "pycon", "python3"))
