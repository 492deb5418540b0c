"""What scopes, strengths and interventions are made of, and read.

Whatever holds another one in a field, a user's own wrapper too, reads what that one reads.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass


def parts_of(thing: object) -> Iterator[object]:
    """The scopes, strengths and interventions among the fields of a dataclass."""
    if not is_dataclass(thing):
        return
    for each in fields(thing):
        value = getattr(thing, each.name)
        for part in value if isinstance(value, list | tuple) else (value,):
            if callable(part) or callable(getattr(part, "edit", None)):
                yield part


def reads_of(*things: object) -> tuple[str, ...]:
    """Hook names that scopes, strengths or interventions, or their parts, read."""
    return tuple(dict.fromkeys(name for thing in things for name in _reads(thing)))


def _reads(thing: object) -> tuple[str, ...]:
    own: tuple[str, ...] | None = getattr(thing, "reads", None)
    return reads_of(*parts_of(thing)) if own is None else own
