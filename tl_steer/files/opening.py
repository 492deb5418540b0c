"""Opening a file: its bytes, its text, or one sentence that names it."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from tl_steer.errors import FileError, SteerError
from tl_steer.files.kinds import kind_of

AnyPath = str | PathLike[str]

LARGEST = 2 << 30
"""Bytes of a file, or of what it unpacks to, that are read at most."""

_UNPACKERS: dict[bytes, Callable[[io.BytesIO], Any]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}


def read_bytes(path: AnyPath, *, at_most: int = LARGEST) -> bytes:
    """Read a whole file.

    Raises:
        FileError: When it is missing, a folder, not ours to read, or larger than `at_most` bytes.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(at_most + 1)
    # A ValueError is said of a name with a zero byte in it.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path}: cannot be read ({reason}). Give the path of a file.") from error
    if len(data) > at_most:
        raise FileError(f"{path}: over {at_most:,} bytes, which is more than is read of a file.")
    return data


def read_text(path: AnyPath) -> str:
    """Read a file of text in UTF-8, with or without a byte order mark.

    A file that gzip, bzip2 or xz compressed is unpacked, whatever it is called.

    Raises:
        FileError: As for :func:`read_bytes`, and for what is not UTF-8 or holds zero bytes.
    """
    data = unpacked(path, read_bytes(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 text{_but(data)}. Save it as UTF-8.") from error
    require_no_zeros(path, text)
    return text


def unpacked(path: AnyPath, data: bytes) -> bytes:
    """Undo gzip, bzip2 or xz, by the first bytes.

    Raises:
        FileError: For an archive that is cut short or damaged, or unpacks to more than is read.
    """
    for magic, unpacker in _UNPACKERS.items():
        if data.startswith(magic):
            with reading(path, "a whole compressed file", "Copy it again."):
                found: bytes = unpacker(io.BytesIO(data)).read(LARGEST + 1)
            if len(found) > LARGEST:
                raise FileError(f"{path}: unpacks to over {LARGEST:,} bytes. Cut it into parts.")
            return found
    return data


def require_no_zeros(path: AnyPath, text: str) -> None:
    """Refuse zero bytes, which no text has, and which some parsers take for its end.

    Raises:
        FileError: With what else the file may be.
    """
    if "\0" in text:
        kind = _but(text[:64].encode("latin-1", "replace"))
        raise FileError(f"{path}: holds zero bytes, so it is not text{kind}. Save it as UTF-8.")


@contextmanager
def reading(path: AnyPath, what: str, advice: str) -> Iterator[None]:
    """Turn whatever a library says of a file that it cannot parse into one sentence.

    Only calls into the library belong inside: what is damaged can make it raise anything at all.

    Args:
        path: The file.
        what: What it should have been: ``"a whole parquet file"``.
        advice: What to do now.

    Raises:
        FileError: In place of any other exception; what the library raised is its cause.
    """
    try:
        yield
    except SteerError:
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or _is_panic(error)):
            raise
        raise FileError(f"{path}: not {what} ({said(error)}). {advice}") from error


@contextmanager
def naming(path: AnyPath) -> Iterator[None]:
    """Put a file's name before what is refused of its content, where it is not there already."""
    try:
        yield
    except SteerError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def said(error: BaseException) -> str:
    """What an exception says, in one line that is not too long."""
    words = " ".join(str(error).split())
    named = isinstance(error, KeyError) or not words
    words = f"{type(error).__name__} {words}".strip() if named else words
    return words.rstrip(".") if len(words) <= 200 else f"{words[:200]}…"


def _is_panic(error: Any) -> bool:
    # What libraries written in Rust raise of their own mistakes is no Exception.
    return type(error).__name__ == "PanicException"


def _but(data: bytes) -> str:
    kind = kind_of(data)
    return f", but {kind}" if kind else ""
