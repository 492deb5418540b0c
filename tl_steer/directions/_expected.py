"""One direction, or several, where they are expected, and what to write where they are not."""

from collections.abc import Sequence

from tl_steer.directions._direction import Direction
from tl_steer.errors import MismatchError


def require_directions(value: Direction | Sequence[Direction]) -> tuple[Direction, ...]:
    """Return one direction, or several, as a tuple.

    Raises:
        MismatchError: For none.
    """
    several = (value,) if isinstance(value, Direction) else tuple(value)
    if not several:
        raise MismatchError("Expected at least one direction, got none.")
    return several
