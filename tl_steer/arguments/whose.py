"""Whose a function is: what users write is held to more than what the tests hold."""

from typing import Any


def is_ours(part: Any) -> bool:
    """Tell whether a function, or the class of an object, is of this library."""
    return str(getattr(part, "__module__", "")).partition(".")[0] == "tl_steer"
