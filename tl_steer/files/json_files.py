"""JSON out of files; nothing in a file is ever executed."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tl_steer.errors import FileError
from tl_steer.files.opening import AnyPath, read_text, said

# Python's json reads each half of a surrogate pair by itself.
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def parsed(text: str, where: str, advice: str = "") -> Any:
    """Parse one JSON value.

    Args:
        text: The JSON.
        where: The file, and the line where there are several.
        advice: What it should look like.

    Raises:
        FileError: For what is no JSON, nested too deeply, or holds numbers of thousands of digits
            or halves of characters, with which no file can be written.
    """
    try:
        found = json.loads(text)
        if _ESCAPED_HALF.search(text):
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except UnicodeEncodeError as error:
        raise FileError(f"{where}: not JSON (half of a character, \\ud800).{advice}") from error
    except RecursionError as error:
        raise FileError(f"{where}: not JSON (nested too deeply).{advice}") from error
    except ValueError as error:
        raise FileError(f"{where}: not JSON ({_reason(error)}).{advice}") from error


def parsed_object(text: str, where: str, advice: str = "") -> dict[str, Any]:
    """Parse one JSON object.

    Raises:
        FileError: As :func:`parsed`, and for a value of another kind.
    """
    found = parsed(text, where, advice)
    if not isinstance(found, dict):
        raise FileError(f"{where}: a JSON {type(found).__name__} came.{advice}")
    return found


def json_lines(path: AnyPath, example: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a file with one JSON object a line; empty lines are skipped.

    Args:
        path: The file, in UTF-8.
        example: A line as it should be.

    Yields:
        Where each object stands, in words, and the object.

    Raises:
        FileError: For a file that cannot be read, or a line that is no JSON object.
    """
    text = read_text(path)
    # Only these end a line: a text may hold any other separator that Unicode has.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    advice = f" Each line should hold one object, such as {example}."
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, parsed_object(line, where, advice)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return said(error)
    # The one other thing that can be wrong; Python's own words are about a setting of Python.
    return "a number of thousands of digits"
