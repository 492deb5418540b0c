"""The table of ``docs/architectures.md``: read, compared, and written a row at a time.

It has a cell for each architecture and kind of hook point, and says what both lines of
TransformerLens do; each run knows one of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cases import Verdict
from checking import CELLS

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
LINES = ("4.x", "3.9")
"""The newest first."""

LINE = LINES[0] if int(version("transformer-lens").partition(".")[0]) >= 4 else LINES[1]
"""The one that this environment has."""

_BEGIN, _END = "<!-- table: begin -->", "<!-- table: end -->"
_HEAD = ("Architecture", "---")
_RIGHT, _SLOWLY, _PARTLY, _REFUSED = (
    "right",
    "right, without a cache",
    "right, in some blocks refused",
    "refused",
)


@dataclass(frozen=True)
class Entry:
    """What a cell says of one line."""

    says: str
    """One of the four above."""

    sentences: frozenset[str] = frozenset()
    """What is said where it is refused."""

    @classmethod
    def of(cls, verdict: Verdict) -> "Entry":
        """Put a verdict into words."""
        if verdict.right and verdict.refused:
            says = _PARTLY
        elif verdict.right:
            says = _SLOWLY if verdict.without_cache else _RIGHT
        else:
            says = _REFUSED
        return cls(says, frozenset(verdict.refused))


Row = dict[str, dict[str, Entry]]
"""By column, by line."""


def rows() -> dict[str, Row]:
    """What the page says, by architecture."""
    page = PAGE.read_text(encoding="utf-8")
    table = page.split(_BEGIN)[1].split(_END)[0]
    notes = dict(re.findall(r"^\[\^(\d+)\]: (.*)$", table, re.MULTILINE))
    found: dict[str, Row] = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| ") and len(cells) == len(CELLS) + 1 and cells[0] not in _HEAD:
            found[cells[0]] = {
                column: dict(_parsed(cell, notes))
                for column, cell in zip(CELLS, cells[1:], strict=True)
            }
    return found


def put(architecture: str, own: dict[str, Entry], order: list[str]) -> None:
    """Write what this line of TransformerLens does with one architecture."""
    known = rows()
    row = known.setdefault(architecture, {column: {} for column in CELLS})
    for column, entry in own.items():
        row[column][LINE] = entry
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(_BEGIN)[0], page.split(_END)[1]
    kept = {name: known[name] for name in order if name in known}
    PAGE.write_text(f"{before}{_BEGIN}\n{_table(kept)}{_END}{after}", encoding="utf-8")


def _table(known: dict[str, Row]) -> str:
    notes: dict[str, int] = {}
    lines = [
        f"| {' | '.join(('Architecture', *CELLS))} |",
        f"|{' --- |' * (len(CELLS) + 1)}",
        *(
            f"| {' | '.join((name, *(_cell(row[column], notes) for column in CELLS)))} |"
            for name, row in known.items()
        ),
    ]
    footnotes = [f"[^{number}]: {sentence}" for sentence, number in notes.items()]
    return "\n".join([*lines, "", *footnotes, ""])


def _cell(entries: dict[str, Entry], notes: dict[str, int]) -> str:
    said = {line: _worded(entries[line], notes) for line in LINES if line in entries}
    if len(set(said.values())) == 1 and len(said) == len(LINES):
        return next(iter(said.values()))
    return "; ".join(f"{line}: {words}" for line, words in said.items())


def _worded(entry: Entry, notes: dict[str, int]) -> str:
    numbers = sorted(notes.setdefault(each, len(notes) + 1) for each in sorted(entry.sentences))
    return f"{entry.says}{''.join(f'[^{number}]' for number in numbers)}"


def _parsed(cell: str, notes: dict[str, str]) -> Iterator[tuple[str, Entry]]:
    parts = [re.fullmatch(r"(?:(4\.x|3\.9): )?([^\[]*)(.*)", part) for part in cell.split("; ")]
    for part in parts:
        if part is not None and part[2]:
            numbers = re.findall(r"\[\^(\d+)\]", part[3])
            entry = Entry(part[2], frozenset(notes[number] for number in numbers))
            for line in (part[1],) if part[1] else LINES:
                yield line, entry
