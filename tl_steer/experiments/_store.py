"""Finished cells on disk: each in a file of its own, which is there as a whole or not at all."""

import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tl_steer.errors import FileError, SteerError, StorageError
from tl_steer.files.parquet_files import Stamp, read_parquet, write_parquet
from tl_steer.lens.versions import versions

_LARGEST = 256 << 20
_AGAIN = "It is made again."
_FULL = (
    "What was finished before is kept; make room, or give another folder, and run the same again "
    "to go on."
)


class StoredCellWarning(UserWarning):
    """A finished cell that cannot be used, or that other versions made."""


@dataclass(frozen=True)
class CellStore:
    """A folder with one parquet file for each finished cell, named by its key.

    A file is written under another name and then renamed, so that a process that is killed, or a
    disk that is full, leaves nothing half. It says which cell it is, which columns it has, what
    made it, and what its values sum up to; one that says otherwise than it is counts as missing.

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

    def finished(self, rows: Mapping[str, int]) -> dict[str, pd.DataFrame]:
        """Read those of some cells that are finished.

        Args:
            rows: How many texts each cell has, by key.

        Returns:
            The texts of each, by key. Those whose file is damaged, foreign, of another cell, or
            larger than they can be are left out, as if there were none.

        Raises:
            SteerError: For a folder where a cell should be.

        Warns:
            StoredCellWarning: For files that are left out, and for cells that were made by other
                versions of what a result hangs on.
        """
        found, refused, made_by = {}, [], Counter[str]()
        for key, wanted in rows.items():
            path = self._path(key)
            if path.is_dir():
                raise SteerError(f"{path}: a folder, where a cell is to be kept. Move it away.")
            if not path.exists():
                continue
            try:
                found[key], stamp = self._read(path, key, wanted)
            except FileError as error:
                refused.append(str(error))
            else:
                made_by[_others(stamp)] += 1
        _warn(self.folder, refused, made_by)
        return found

    def write(self, key: str, texts: pd.DataFrame) -> None:
        """Keep the texts of a cell.

        Raises:
            SteerError: When the disk is full or the folder has become unwritable; what was finished
                before stays.
        """
        keep_frame(texts, self._path(key), key=key)

    def _read(self, path: Path, key: str, rows: int) -> tuple[pd.DataFrame, Stamp]:
        frame, stamp = read_parquet(path, _AGAIN, at_most=_LARGEST, rows=rows, stamped=True)
        if stamp is None or stamp.key != key or "cell" not in frame or set(frame["cell"]) != {key}:
            raise FileError(f"{path}: holds another cell than its name says. {_AGAIN}")
        return frame, stamp

    def _path(self, key: str) -> Path:
        return self._cells / f"{key}.parquet"


def keep_frame(frame: pd.DataFrame, path: Path, *, key: str) -> Path:
    """Write a frame as a whole or not at all, with a stamp of what made it.

    Raises:
        SteerError: Saying why it could not be written.
    """
    try:
        return write_parquet(frame, path, key=key, made_by=versions())
    except StorageError as error:
        raise SteerError(f"{error} {_FULL}") from error


def kept_frame(path: Path) -> pd.DataFrame:
    """Read a frame that :func:`keep_frame` wrote.

    Raises:
        DataError: When it is not there, or is not whole.
    """
    if not path.exists():
        raise FileError(f"{path}: there is no such file.")
    frame, _ = read_parquet(path, "Delete it, and what it held is made again.")
    return frame


def _others(stamp: Stamp) -> str:
    """Which versions are other ones now, in words; empty where none are."""
    now = versions()
    return ", ".join(
        f"{name} {stamp.made_by.get(name, 'unknown')} (now {version})"
        for name, version in now.items()
        if stamp.made_by.get(name) != version
    )


def _warn(folder: Path, refused: list[str], made_by: Counter[str]) -> None:
    if refused:
        warnings.warn(
            f"{folder}: {len(refused)} of the cells there cannot be used and are made again. "
            f"The first: {refused[0]}",
            StoredCellWarning,
            stacklevel=2,
        )
    for others, number in made_by.items():
        if others:
            warnings.warn(
                f"{folder}: {number} of the cells there were made by {others}. Give another "
                "folder to make them anew.",
                StoredCellWarning,
                stacklevel=2,
            )
