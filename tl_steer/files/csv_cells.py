"""Texts as cells of a CSV file that a spreadsheet takes for texts, and back."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from tl_steer.files.characters import printable

# What a spreadsheet runs as a formula, with white space before it or not; the signs of full width
# count in East Asian ones. A cell that has apostrophes before it already gets one more, so that
# taking one off gives back what was there. form.js holds the same pattern.
FORMULA = re.compile(r"^'*(?:[ \t\r\n\u00a0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
# Spreadsheets read a file as UTF-8 only where it begins with this mark.
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def guarded(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run (OWASP, "CSV injection")."""
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Take off the apostrophe that :func:`guarded` put there, and no other."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def csv_text(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their heads, as the text of a CSV file: guarded, in quotes, with a mark."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(heads)
    for row in rows:
        writer.writerow([guarded(printable(str(cell))) for cell in row])
    return MARK + file.getvalue()


def frame_csv(frame: pd.DataFrame) -> str:
    """A frame as the text of a CSV file, with its index where that has a name.

    Texts and heads that a spreadsheet would run as a formula begin with an apostrophe; numbers, a
    negative one too, stay as they are. Half of a character becomes the replacement character.
    """
    named = any(name is not None for name in frame.index.names)
    whole = frame.reset_index() if named else frame
    cells = {number: whole.iloc[:, number].map(_cell) for number in range(whole.shape[1])}
    table = pd.DataFrame(cells, index=whole.index)
    table.columns = [_cell(str(name)) for name in whole.columns]
    return str(table.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value
