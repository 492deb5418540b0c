"""Names under which classes and functions stand in keys and files, wherever they move to."""

from collections.abc import Callable
from typing import Any, TypeVar

Thing = TypeVar("Thing")

_FIELD = "__stored_as__"


def stored_as(name: str) -> Callable[[Thing], Thing]:
    """Declare the name of a class or a function in what is stored: it outlives every other name.

    A class that is moved or renamed keeps it, and so the results that were stored with it are
    found again. It may not be changed, and no other class may have it.

    Example:
        >>> @stored_as("Positions")
        ... @dataclass(frozen=True)
        ... class Positions: ...
    """

    def declare(thing: Thing) -> Thing:
        setattr(thing, _FIELD, name)
        return thing

    return declare


def stored_name(thing: Any) -> str | None:
    """The declared name of a class or a function, and not that of a class that it inherits from."""
    declared: str | None = getattr(thing, "__dict__", {}).get(_FIELD)
    return declared
