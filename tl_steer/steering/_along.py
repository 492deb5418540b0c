"""The steering that an experiment means by a direction and a strength."""

from tl_steer.directions import AnyDirection, LayerRun
from tl_steer.interventions import Add
from tl_steer.scopes import Scope, everywhere
from tl_steer.steering._steering import Steering


def along(
    direction: AnyDirection, strength: float, *, scope: Scope | slice = everywhere
) -> Steering:
    """Add a direction, or each of a run of layers at its part of the strength.

    Args:
        direction: What is added.
        strength: In multiples of it; below zero, against it.
        scope: Which tokens.
    """
    if isinstance(direction, LayerRun):
        return Steering.at_layers(direction.directions, strength, scope=scope)
    return Steering(Add(direction, strength, scope=scope))
