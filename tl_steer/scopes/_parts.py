"""What follows from the parts of a scope, a strength or an intervention.

Whatever holds another one in a field, a user's own wrapper too, reads what that one reads and fits
the models that it fits.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from inspect import signature

from tl_steer.lens.protocol import SteerableModel


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


def check_part_fits(thing: object, model: SteerableModel, hook_name: str) -> None:
    """Let a scope or strength, and its parts, refuse what they were not made for.

    Args:
        thing: Its ``check_fits`` takes the model, or the model and the hook name.
        model: The one that is to be steered.
        hook_name: Where the intervention acts.
    """
    for part in parts_of(thing):
        check_part_fits(part, model, hook_name)
    check = getattr(thing, "check_fits", None)
    if callable(check):
        check(model, *[hook_name][: len(signature(check).parameters) - 1])
