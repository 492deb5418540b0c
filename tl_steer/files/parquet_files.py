"""Frames on disk as parquet, each with a stamp that says what it is and that it is whole."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tl_steer.errors import FileError
from tl_steer.files.json_files import parsed_object
from tl_steer.files.opening import LARGEST, read_bytes, reading
from tl_steer.files.restoring import restored
from tl_steer.files.writing import write_whole

_STAMP = b"tl_steer"
_FORMAT = 1


@dataclass(frozen=True)
class Stamp:
    """What a file says of itself."""

    key: str
    """What its rows belong to."""

    columns: list[str]
    """Their names."""

    checksum: str
    """SHA-256 of the columns and all values in them."""

    made_by: dict[str, str]
    """Versions of what made it, by name."""

    format: int = _FORMAT


def write_parquet(frame: pd.DataFrame, path: Path, *, key: str, made_by: Mapping[str, str]) -> Path:
    """Write a frame, with its stamp, as a whole or not at all.

    Raises:
        StorageError: Saying why it could not be written.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False)
    stamp = Stamp(key, table.column_names, _checksum(table), dict(made_by))
    about = {**(table.schema.metadata or {}), _STAMP: json.dumps(asdict(stamp)).encode()}
    data = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), data)
    return write_whole(path, data.getvalue())


def read_parquet(
    path: Path,
    advice: str,
    *,
    at_most: int = LARGEST,
    rows: int | None = None,
    stamped: bool = False,
) -> tuple[pd.DataFrame, Stamp | None]:
    """Read a frame, and check what its stamp says.

    Args:
        path: The file.
        advice: What to do where it cannot be used.
        at_most: Bytes that it may have.
        rows: How many it has to have, where that is known.
        stamped: Whether a file without a stamp is refused: one that something else wrote.

    Raises:
        FileError: When it is not there, is no parquet file, or is not what its stamp says.
    """
    data = read_bytes(path, at_most=at_most)
    with reading(path, "a whole parquet file", advice):
        file = pq.ParquetFile(pa.BufferReader(data))
        found, about = file.metadata.num_rows, file.metadata.metadata or {}
    if rows is not None and found != rows:
        raise FileError(f"{path}: {found:,} rows, where {rows:,} belong. {advice}")
    if _STAMP not in about:
        if stamped:
            raise FileError(f"{path}: a parquet file, but not one that tl_steer wrote. {advice}")
        stamp = None
    else:
        stamp = _stamp(about[_STAMP], path)
    with reading(path, "a whole parquet file", advice):
        table = file.read()
        now = _checksum(table)
        frame = table.to_pandas(ignore_metadata=True)
    if stamp is not None and (stamp.columns, stamp.checksum) != (table.column_names, now):
        raise FileError(f"{path}: damaged; what is in it is not what was written. {advice}")
    if frame.columns.has_duplicates:
        raise FileError(f"{path}: two columns have one name. {advice}")
    for name in frame:
        if pd.api.types.is_object_dtype(frame[name]):
            # Lists come back as arrays.
            frame[name] = [
                each.tolist() if hasattr(each, "tolist") else each for each in frame[name]
            ]
    return frame, stamp


def _stamp(found: bytes, path: Path) -> Stamp:
    stamp = restored(
        Stamp, parsed_object(found.decode("utf-8", "replace"), str(path)), f"{path}: its stamp"
    )
    if stamp.format > _FORMAT:
        raise FileError(
            f"{path}: written in format {stamp.format}; this tl_steer reads up to {_FORMAT}. "
            "Install a newer tl_steer."
        )
    return stamp


def _checksum(table: pa.Table) -> str:
    """Of names and values, and not of bytes: these may differ between versions of pyarrow."""
    found = hashlib.sha256()
    for name, values in zip(table.column_names, table.columns, strict=True):
        found.update(json.dumps([name, values.to_pylist()], default=str).encode())
    return found.hexdigest()
