"""One direction, or several, where they are expected, and a sentence where they are not."""

from collections.abc import Mapping, Sequence
from typing import Any

from tl_steer.directions.direction import Direction
from tl_steer.errors import MismatchError


def require_directions(value: Any) -> tuple[Direction, ...]:
    """Accept one direction or several.

    Raises:
        MismatchError: For anything else, with what to write instead, and for none.
    """
    several = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    if several == ():
        raise MismatchError("no direction came, at 0 hook points; give one, or several.")
    return tuple(map(require_direction, several if isinstance(several, tuple) else (several,)))


def require_direction(value: Any) -> Direction:
    """Refuse what is no direction.

    Raises:
        MismatchError: With its type, and what to write instead.
    """
    if isinstance(value, Direction):
        return value
    if (
        isinstance(value, Mapping)
        and value
        and all(isinstance(d, Direction) for d in value.values())
    ):
        raise MismatchError(
            f"Expected a Direction, got {len(value)} of them. Take one by its layer, "
            "directions[15]; Steering.at_layers(directions, dose=0.2) adds all of them."
        )
    raise MismatchError(
        f"Expected a Direction, got a {type(value).__name__}. A vector of yours becomes one by "
        "Direction.of(vector, at=15, model=model), where 15 is the layer."
    )
