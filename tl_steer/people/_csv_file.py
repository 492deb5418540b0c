"""CSV files as raters and their spreadsheets write them: read whole, or refused with the line."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tl_steer.errors import StorageError
from tl_steer.files.csv_cells import MARK, unguarded
from tl_steer.files.csv_files import SEPARATORS, Record, records
from tl_steer.files.opening import read_bytes, require_no_zeros


@dataclass(frozen=True)
class Row:
    """One row of a file."""

    line: int
    """Where it begins, from 1."""

    cells: dict[str, str]
    """By the heads of the columns, in lower case; without the apostrophes against formulas."""


def read_rows(path: Path, *, needs: Sequence[str]) -> list[Row]:
    """Read a CSV file with commas, semicolons or tabs, in UTF-8, UTF-16 with its mark, or cp1252.

    A file that is not UTF-8 is taken for cp1252, which spreadsheets on Windows write, where every
    byte of it means something there. Rows without any content are left out.

    Args:
        path: The file.
        needs: Columns that have to be there.

    Returns:
        The rows in order.

    Raises:
        StorageError: For a file that cannot be read, is no such table, lacks a column, or has a row
            with more cells than there are columns.
    """
    text = _decoded(path)
    found = _records(path, text, needs)
    names = [unguarded(head).strip().casefold() for head in found[0].cells]
    repeated = [name for name in needs if names.count(name) > 1]
    if repeated:
        raise StorageError(f"{path}: two columns are called {repeated[0]!r}. Remove one.")
    rows = []
    for record in found[1:]:
        line, cells = record.line, record.cells
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names) :]):
            raise StorageError(
                f"{path}, line {line}: {len(cells)} cells under {len(names)} headers. A text with "
                "a comma needs quotes around it; a spreadsheet adds them."
            )
        padded = [*cells, *[""] * (len(names) - len(cells))]
        rows.append(Row(line, dict(zip(names, map(unguarded, padded), strict=False))))
    return rows


def _decoded(path: Path) -> str:
    data = read_bytes(path)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise StorageError(f"{path}: incomplete UTF-16 ({error.reason}).") from error
        text = _of_windows(path, data)
    require_no_zeros(path, text)
    return text.removeprefix(MARK)


def _of_windows(path: Path, data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise StorageError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is neither UTF-8 nor cp1252. Save "
            'the file anew as "CSV UTF-8".'
        ) from error


def _records(path: Path, text: str, needs: Sequence[str]) -> list[Record]:
    """Records with the lines where they begin, cut at whichever separator gives the heads."""
    skipped = 0
    first, _, rest = text.partition("\n")
    if first.strip().strip('"').casefold() in [f"sep={separator}" for separator in SEPARATORS]:
        # Some spreadsheets write their separator down before everything else.
        text, skipped = rest, 1
    for separator in SEPARATORS:
        try:
            head = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        except csv.Error:
            # No table between these: the others are tried, and the last word is below.
            continue
        if set(needs) <= {unguarded(name).strip().casefold() for name in head}:
            return records(text, path, separator=separator, skipped=skipped)
    shown = (text.splitlines() or [""])[0][:80]
    raise StorageError(
        f"{path} begins with {shown!r}. Expected the headers {', '.join(needs)} in the first line, "
        "separated by commas, semicolons or tabs."
    )
