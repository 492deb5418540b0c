"""What a user may import: the names at the top, and those of every room's front."""

import inspect
import types
from collections.abc import Iterator
from typing import Any

import tl_steer as ts

ROOMS = {name: room for name in dir(ts) if isinstance(room := getattr(ts, name), types.ModuleType)}

MADE_FOR_THEM = {"Context"}


def fronts() -> Iterator[tuple[str, str, Any]]:
    """Every room, a name of its front, and what that is; names of the top stand in rooms too."""
    for name in ts.__all__:
        yield "", name, getattr(ts, name)
    for room, module in ROOMS.items():
        for name in module.__all__:
            yield room, name, getattr(module, name)


PUBLIC: dict[str, Any] = dict(sorted((name, public) for _, name, public in fronts()))
"""By bare names, of which no two rooms have the same one."""


def to_call() -> dict[str, Any]:
    """The public functions, and the classes that users make."""
    return {
        name: public
        for name, public in PUBLIC.items()
        if name not in MADE_FOR_THEM
        if inspect.isfunction(public)
        or (inspect.isclass(public) and not getattr(public, "_is_protocol", False))
    }
