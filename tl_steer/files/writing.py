"""Files that are there as a whole or not at all: the one place where anything is written."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from tl_steer.errors import StorageError


def write_whole(target: Path, data: bytes) -> Path:
    """Write a file so that a reader never sees half of it; an older one of that name is replaced.

    Raises:
        StorageError: When it cannot be written; what was there is still there.
    """
    write_all({target: data})
    return target


def write_text(target: Path, text: str) -> Path:
    """Write a text in UTF-8, its line ends as they are; half of a character is replaced.

    Raises:
        StorageError: As :func:`write_whole`.
    """
    return write_whole(target, utf8(text))


def utf8(text: str) -> bytes:
    """A text in UTF-8; half of a character becomes the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def made(folder: Path) -> Path:
    """Make a folder where it is not there.

    Raises:
        StorageError: When it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot write there: {error.strerror}.") from error
    return folder


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write several files, all or none of them.

    All lie on the disk beside their targets before the first is put in its place, so that a full
    disk leaves everything as it was. They are put there in the order given.

    Raises:
        StorageError: When one cannot be written; what was there is still there.
    """
    # Not of `tempfile`: that would give files which nobody but their owner may read.
    mark = f"{token_hex(8)}.part"
    beside = {target: target.with_name(f"{target.name}.{mark}") for target in contents}
    target = Path()
    try:
        for target, data in contents.items():
            with beside[target].open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for target, temporary in beside.items():
            temporary.replace(target)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written: {error.strerror}.") from error
    finally:
        for temporary in beside.values():
            with suppress(OSError):
                temporary.unlink()
