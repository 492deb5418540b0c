"""What scopes are given, one by one or in a list, and bounds that enclose something."""

from typing import Any

from tl_steer.errors import SteerError


def one_by_one(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take ``Keywords(["film", "movie"])`` for ``Keywords("film", "movie")``."""
    one = given[0] if len(given) == 1 else None
    return tuple(one) if isinstance(one, list | tuple | range) else given


def bounds(start: int | None, stop: int | None, what: str) -> tuple[int, int | None]:
    """The bounds of a slice that holds something, in some text.

    Raises:
        SteerError: For bounds between which there never is anything.
    """
    first = start or 0
    # Bounds from both ends may enclose something; that depends on the text.
    same_side = stop is not None and (first < 0) == (stop < 0)
    if stop == 0 or (same_side and stop is not None and stop <= first):
        advice = "; to go on to the end, leave stop out" if stop == 0 and first < 0 else ""
        raise SteerError(f"{what}({first}, {stop}) is empty: it ends before it begins{advice}.")
    return first, stop
