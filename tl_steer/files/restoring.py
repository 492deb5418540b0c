"""Frozen values out of what a file says of them, checked field by field."""

from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_args, get_origin

from tl_steer.errors import FileError

Value = TypeVar("Value")


def restored(kind: type[Value], found: Any, where: str, **known: Any) -> Value:
    """Make a dataclass whose fields are texts, numbers, lists or mappings out of a JSON object.

    Args:
        kind: The dataclass.
        found: What the file holds.
        where: The file and the place in it.
        known: Fields that come from elsewhere.

    Raises:
        FileError: For what is no object, lacks a field, has one too many, or has a value of another
            type, within lists and mappings too.
    """
    if not isinstance(found, dict):
        raise FileError(f"{where}: a JSON {type(found).__name__} came.")
    described = {each.name: each for each in fields(kind) if each.name not in known}  # type: ignore[arg-type]
    lacking = [
        name for name, each in described.items() if name not in found and each.default is MISSING
    ]
    more = [name for name in found if name not in described]
    if lacking or more:
        wrong = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(more[:5])!r}"
        raise FileError(f"{where} {wrong}.")
    for name, value in found.items():
        if not _fits(value, described[name].type):
            raise FileError(f"{where}: {name} is of type {type(value).__name__}.")
    return kind(**found, **known)


def _fits(value: Any, wanted: Any) -> bool:
    origin, parts = get_origin(wanted) or wanted, get_args(wanted)
    if isinstance(value, bool) != (origin is bool) or not isinstance(value, origin):
        return False
    held = value.values() if isinstance(value, dict) else value
    return not parts or all(_fits(each, parts[-1]) for each in held)
