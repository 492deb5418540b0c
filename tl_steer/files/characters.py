"""Texts that can be written to a file at all."""

import re

HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, a lone surrogate: Python's strings may hold it, and UTF-8 may not."""
