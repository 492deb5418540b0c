"""What stands in a page: blocks of Python, what they print, and what a reader does not see.

A page has one namespace, from its first block to its last, in which ``ts`` is there already.
Comments say the rest; each stands alone, and those about a block stand right before it:

``<!-- hidden`` code ``-->``
    Run, and not shown: what a page takes for granted.
``<!-- output -->``
    The ``text`` block that follows is what the block of Python before it prints. As in a notebook,
    the value of a block's last line is printed too. Numbers may differ by one in a hundred.
``<!-- refused -->``
    The block of Python that follows is refused; what is said is printed.
``<!-- warns -->``
    The block of Python that follows warns; warnings are printed after what it prints.
``<!-- needs: package -->``
    The block of Python that follows needs what tests do not have, and is only compiled.

``python tests/pages.py docs/first_steps.md`` writes the outputs anew.
"""

import ast
import io
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
# Of these, blocks are parts of programs, and are not run.
PARTS = (
    "calibration",
    "controls",
    "robustness",
    "studies",
    "sweeps",
    "trained_directions",
)
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.stem not in PARTS and "```python" in path.read_text(encoding="utf-8")
]
_COMMENT = re.compile(r"<!--\s*(hidden|output|refused|warns|needs)\b:?(.*?)-->\s*", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")


@dataclass
class Block:
    """Some Python of a page."""

    code: str
    line: int
    """Of the page, from 1."""

    hidden: bool = False
    refused: bool = False
    warns: bool = False
    needs: str = ""
    output: str | None = None
    """What the page says that it prints; ``None`` where it does not say."""

    output_lines: tuple[int, int] = (0, 0)
    """Where that stands in the page, without its fences."""


def blocks_of(text: str) -> list[Block]:
    """Read a page."""
    found: list[Block] = []
    about: dict[str, str] = {}
    for token in MarkdownIt().parse(text):
        comment = _COMMENT.fullmatch(token.content) if token.type == "html_block" else None
        if comment and comment[1] == "hidden":
            found.append(Block(comment[2], token.map[0] + 1, hidden=True))
        elif comment:
            about[comment[1]] = comment[2].strip()
        elif token.type == "fence":
            line = token.map[0] + 1
            if token.info == "python":
                said = {name: name in about for name in ("refused", "warns")}
                found.append(Block(token.content, line, needs=about.get("needs", ""), **said))
            elif "output" in about:
                found[-1].output = token.content
                found[-1].output_lines = (line, token.map[1] - 1)
            about = {}
    return found


@dataclass
class Page:
    """A page that is being run."""

    path: Path
    namespace: dict[str, Any] = field(default_factory=dict)

    def run(self, text: str) -> Iterator[tuple[Block, str]]:
        """Run a page's blocks, one by one, and yield what each prints."""
        for block in blocks_of(text):
            # Lines are those of the page, in tracebacks too.
            tree = ast.parse("\n" * block.line + block.code, str(self.path))
            if block.needs:
                compile(tree, str(self.path), "exec")
                continue
            run = self._refused if block.refused else self._warned if block.warns else self._execute
            printed = io.StringIO()
            with redirect_stdout(printed):
                run(tree)
            yield block, printed.getvalue()

    def _execute(self, tree: ast.Module) -> None:
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(self.path), "exec"), self.namespace)
        if isinstance(last, ast.Expr):
            value = eval(
                compile(ast.Expression(last.value), str(self.path), "eval"), self.namespace
            )
            if value is not None:
                print(value)

    def _refused(self, tree: ast.Module) -> None:
        from tl_steer import SteerError

        try:
            self._execute(tree)
        except SteerError as error:
            print(f"{type(error).__name__}: {error}")
        else:
            raise AssertionError(f"{self.path}: nothing was refused.")

    def _warned(self, tree: ast.Module) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._execute(tree)
        if not caught:
            raise AssertionError(f"{self.path}: there was no warning.")
        for each in caught:
            print(f"{each.category.__name__}: {each.message}")


def same(printed: str, shown: str) -> bool:
    """Whether what came is what a page shows, but for the last digits of numbers."""
    ours, theirs = _words(printed), _words(shown)
    return len(ours) == len(theirs) and all(map(_alike, ours, theirs))


def _words(text: str) -> list[str]:
    # Columns of tables move with their numbers.
    return [re.sub(r"[ \-─]+", " ", line).strip() for line in text.strip().splitlines()]


def _alike(one: str, other: str) -> bool:
    if _NUMBER.sub("0", one) != _NUMBER.sub("0", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(math.isclose(_value(a), _value(b), rel_tol=0.01, abs_tol=0.011) for a, b in pairs)


def _value(number: str) -> float:
    return float(number.replace("−", "-"))


def rewritten(path: Path) -> str:
    """Run a page, and return it with the outputs that came."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    came = [(block, printed) for block, printed in started(path).run(text)]
    for block, printed in reversed(came):
        if block.output is not None:
            start, stop = block.output_lines
            lines[start:stop] = printed.rstrip().splitlines()
    return "\n".join(lines) + "\n"


_KEPT: dict[Any, Any] = {}


def capture_once(capture: Any) -> Any:
    """``ts.capture`` that reads the same texts of the same model once for all pages."""

    def captured(model: Any, data: Any, **settings: Any) -> Any:
        if set(settings) != {"at"}:
            return capture(model, data, **settings)
        texts = getattr(data, "texts", data)
        key = (id(model), str(data), tuple(texts), str(settings["at"]))
        if key not in _KEPT:
            _KEPT[key] = model, capture(model, data, **settings)
        return _KEPT[key][1]

    return captured


def started(path: Path) -> Page:
    """A page before its first block."""
    import tl_steer as ts

    return Page(path, {"ts": ts, "__name__": path.stem})


@cache
def packaged() -> Any:
    """The packaged model, once for all pages."""
    from making import packaged as one_for_all_tests

    return one_for_all_tests("bridge")


if __name__ == "__main__":
    import tl_steer

    packaged()
    tl_steer.packaged_model = packaged  # type: ignore[assignment]
    warnings.simplefilter("error")
    for name in sys.argv[1:]:
        page, here = Path(name).resolve(), Path.cwd()
        with TemporaryDirectory() as folder:
            os.chdir(folder)
            new = rewritten(page)
            os.chdir(here)
        page.write_text(new, encoding="utf-8")
