"""Whatever holds another scope or strength in a field fits the models that that one fits."""

from inspect import signature

from tl_steer.lens.parts import parts_of
from tl_steer.lens.protocol import SteerableModel


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
