"""The map of an intervention, and what a user's own is held to."""

from inspect import signature
from typing import Any

from torch import Tensor

from tl_steer.arguments.whose import is_ours
from tl_steer.errors import SteerError
from tl_steer.interventions._protocol import Edit, Intervention
from tl_steer.lens.context import Context


def edit_of(intervention: Intervention) -> Edit:
    """Prepare the map of an intervention.

    A user's own is given a copy, which it may write into, and the strength of each token, and has
    to return activations of the same shape, dtype and device.

    Raises:
        SteerError: For a map that does not take three arguments; while the model runs, for what it
            should not have returned.
    """
    edit: Edit = intervention.edit()
    if is_ours(intervention):
        return edit
    who = f"{intervention.hook_name}: edit() of {type(intervention).__name__}"
    _require_map(edit, who)

    def guarded(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
        found = edit(acts.clone(), strength.expand(acts.shape[:2]), context)
        require_alike(found, acts, f"{who} made a function that")
        return found

    return guarded


def require_alike(found: Any, acts: Tensor, who: str) -> None:
    """Refuse what cannot stand where the activations stood.

    Raises:
        SteerError: Saying what came and what would fit.
    """
    if not isinstance(found, Tensor) or _kind(found) != _kind(acts):
        raise SteerError(
            f"{who} returned {_described(found)}. Return {_described(acts)}, like its input. Does "
            "it return its result?"
        )


def _require_map(edit: Any, who: str) -> None:
    wanted = "Return a function of (acts, strength, context) from edit()."
    if not callable(edit):
        raise SteerError(f"{who} returned {_described(edit)}, not a function. {wanted}")
    try:
        takes = signature(edit)
    except (TypeError, ValueError):
        return  # Written in C, and silent about what it takes.
    try:
        takes.bind(None, None, None)
    except TypeError:
        raise SteerError(f"{who} returned a function that takes {takes}. {wanted}") from None


def _kind(acts: Tensor) -> tuple[Any, ...]:
    return acts.shape, acts.dtype, acts.device


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{value.dtype} of shape {tuple(value.shape)} on {value.device}"
