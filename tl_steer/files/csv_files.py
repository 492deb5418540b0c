"""CSV out of files: records with the lines where they begin, read whole or refused."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from tl_steer.errors import FileError
from tl_steer.files.opening import AnyPath, read_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}

_LONGEST = 2**31 - 1  # Characters of a cell; the csv module itself stops at 131,072.
_limit = Lock()


@dataclass(frozen=True)
class Record:
    """One row of a file."""

    line: int
    """Where it begins, from 1."""

    cells: list[str]


def records(text: str, path: AnyPath, *, separator: str = ",", skipped: int = 0) -> list[Record]:
    """Parse CSV.

    Args:
        text: The CSV.
        path: The file that it is from.
        separator: Between cells.
        skipped: Lines of the file that stand before it.

    Raises:
        FileError: With the line, for a quote that is not closed or stands within a cell.
    """
    found: list[Record] = []
    begins = 1 + skipped
    with _long_cells():
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            for cells in reader:
                found.append(Record(begins, cells))
                begins = reader.line_num + 1 + skipped
        except csv.Error as error:
            raise FileError(
                f"{path}, line {begins}: not CSV with {SEPARATORS[separator]} ({error}), or not a "
                "CSV file at all. Texts with separators or line breaks should stand in quotes, and "
                "a quote in them be doubled; a spreadsheet does both."
            ) from error
    return found


def table(path: AnyPath) -> tuple[list[str], list[Record]]:
    """Read a CSV file with commas and a header, every row as wide as the header.

    Empty lines are skipped; every cell is text, as it stands in the file.

    Returns:
        The header, and the rows below it.

    Raises:
        FileError: For a file that cannot be read, has no header, or has a row (named by its line)
            that is wider or narrower than the header.
    """
    found = [each for each in records(read_text(path), path) if len(each.cells) > 1 or _any(each)]
    if not found:
        raise FileError(
            f"{path}: not a CSV file: it is empty; the first line should name the columns."
        )
    header, rows = found[0].cells, found[1:]
    for row in rows:
        if len(row.cells) != len(header):
            raise FileError(
                f"{path}, line {row.line}: {len(row.cells)} fields came and the header has "
                f"{len(header)}. Texts with commas or line breaks should stand in quotes."
            )
    return header, rows


def _any(record: Record) -> bool:
    return any(cell.strip() for cell in record.cells)


@contextmanager
def _long_cells() -> Iterator[None]:
    # The limit belongs to the process, so that it is put back, and raised by one thread at a time.
    with _limit:
        before = csv.field_size_limit(_LONGEST)
        try:
            yield
        finally:
            csv.field_size_limit(before)
