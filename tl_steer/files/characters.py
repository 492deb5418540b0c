"""Texts that can be written to a file at all."""

import re

HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, a lone surrogate: Python's strings may hold it, and UTF-8 may not."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Replace control characters and lone surrogates, which no file or page can show."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
