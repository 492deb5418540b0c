"""What follows from an intervention's fields: for how many rows it is made, and for which model.

An intervention that knows better says it itself, in a member of the same name.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from tl_steer.directions import Conceptor, Direction, LeaceEraser, TransportMap
from tl_steer.errors import SteerError
from tl_steer.lens.parts import parts_of
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import as_scope, check_part_fits
from tl_steer.strengths import Strength, as_strength, chosen_rows, rows_of


def wrapped(intervention: Any) -> Any:
    """The intervention that another one wraps, its field of that name; ``None`` without one."""
    return getattr(intervention, "intervention", None)


def n_rows(intervention: Any) -> int | None:
    """How many rows it has settings for; ``None`` when one setting serves all."""
    if hasattr(intervention, "n_rows"):
        own: int | None = intervention.n_rows
        return own
    inner = wrapped(intervention)
    return rows_of(intervention.strength) if inner is None else n_rows(inner)


def rows(intervention: Any, index: Sequence[int]) -> Any:
    """Keep the settings of some rows, in the order asked for."""
    if n_rows(intervention) is None:
        return intervention
    if hasattr(intervention, "rows"):
        return intervention.rows(index)
    inner = wrapped(intervention)
    if inner is not None:
        return replace(intervention, intervention=rows(inner, index))
    return with_strength(intervention, chosen_rows(intervention.strength, index))


def with_strength(intervention: Any, strength: Strength) -> Any:
    """Return the same intervention at another strength.

    Raises:
        SteerError: For one that is no dataclass.
    """
    if not is_dataclass(intervention) or isinstance(intervention, type):
        raise SteerError(
            f"{type(intervention).__name__} cannot change its strength. Make it a frozen dataclass "
            "with a field strength."
        )
    inner = wrapped(intervention)
    if inner is not None:
        return replace(intervention, intervention=with_strength(inner, strength))
    return replace(intervention, strength=strength)


def require_sound(intervention: Any) -> None:
    """Refuse a hook name or a strength that cannot be one; a user's own class may hold anything.

    Raises:
        SteerError: Saying what came.
    """
    name, what = intervention.hook_name, type(intervention).__name__
    if not isinstance(name, str):
        raise SteerError(
            f"the hook_name of {what} is {name!r}; expected a text, such as "
            "'blocks.15.hook_resid_post'."
        )
    as_strength(intervention.strength, hook_name=f"{name}, {what}")
    as_scope(intervention.scope)


def needs_context(intervention: Any) -> bool:
    """Tell whether its edit, or that of what it wraps, asks about the pass."""
    own, inner = getattr(intervention, "needs_context", None), wrapped(intervention)
    return inner is not None and needs_context(inner) if own is None else bool(own)


def check_fits(intervention: Any, model: SteerableModel) -> None:
    """Refuse a model that its directions, strength and scope were not made for.

    Raises:
        MismatchError: Saying what differs.
    """
    name = intervention.hook_name
    parts = (intervention.scope, intervention.strength, *parts_of(intervention))
    for part in {id(part): part for part in parts}.values():
        if hasattr(part, "edit"):
            check_fits(part, model)
        else:
            check_part_fits(part, model, name)
    for each in fields(intervention) if is_dataclass(intervention) else ():
        _check_direction(getattr(intervention, each.name), model, name)
    if hasattr(intervention, "check_fits"):
        intervention.check_fits(model)


def _check_direction(value: Any, model: SteerableModel, hook_name: str) -> None:
    if isinstance(value, Direction):
        value.check_fits(model, hook_name)
    elif isinstance(value, Conceptor | TransportMap):
        value.check_fits(model)
    elif isinstance(value, LeaceEraser):
        value.direction.check_fits(model)
    elif isinstance(value, list | tuple) and all(isinstance(each, Direction) for each in value):
        # Rows may share a direction, and asking a model what it is takes time.
        for each in dict.fromkeys(value):
            each.check_fits(model, hook_name)
