"""Finished cells on disk: each in a file of its own, which is there as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tl_steer.errors import DataError, SteerError


@dataclass(frozen=True)
class CellStore:
    """A folder with one parquet file for each finished cell, named by its key.

    A file is written under another name and then renamed, so that a process that is killed, or a
    disk that is full, leaves nothing half.

    Raises:
        SteerError: When the folder cannot be written to.
    """

    folder: Path

    def __post_init__(self) -> None:
        """Make the folder, and find out whether it can be written to."""
        try:
            self._cells.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._cells, prefix=".probe-"):
                pass
        except OSError as error:
            raise SteerError(
                f"{self.folder}: cannot be written to ({error.strerror}); give another folder."
            ) from error

    @classmethod
    def at(cls, folder: str | Path | None) -> "CellStore | None":
        """The store of a folder, or none."""
        return None if folder is None else cls(Path(folder))

    @property
    def _cells(self) -> Path:
        return self.folder / "cells"

    def __contains__(self, key: str) -> bool:
        """Whether a cell is finished."""
        return self._path(key).exists()

    def read(self, key: str) -> pd.DataFrame:
        """Return the texts of a finished cell.

        Raises:
            DataError: When there is none, or its file cannot be read.
        """
        if key not in self:
            raise DataError(f"{self._path(key)}: this cell is not finished.")
        return read_parquet(self._path(key))

    def write(self, key: str, texts: pd.DataFrame) -> None:
        """Keep the texts of a cell.

        Raises:
            SteerError: When the disk is full or the folder has become unwritable; what was finished
                before stays.
        """
        write_parquet(texts, self._path(key))

    def _path(self, key: str) -> Path:
        return self._cells / f"{key}.parquet"


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a frame that :func:`write_parquet` wrote.

    Raises:
        DataError: When it is not there, or is no parquet file.
    """
    try:
        frame = pq.read_table(path).to_pandas()
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.") from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read ({error}). Delete it, and what it held is made again."
        ) from error
    for name in frame:
        if pd.api.types.is_object_dtype(frame[name]):
            # Lists come back as arrays.
            frame[name] = [
                each.tolist() if hasattr(each, "tolist") else each for each in frame[name]
            ]
    return frame


def write_parquet(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as a whole or not at all.

    Raises:
        SteerError: Saying why it could not be written.
    """
    name = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".writing-", suffix=".partial", delete=False
        ) as file:
            name = file.name
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        _remove([name])
        raise SteerError(
            f"{path}: could not be written ({error.strerror or error}). What was finished before "
            "is kept; make room, or give another folder, and run the same again to go on."
        ) from error
    except BaseException:
        _remove([name])
        raise
    return path


def _remove(names: Iterable[str]) -> None:
    for name in filter(None, names):
        Path(name).unlink(missing_ok=True)
