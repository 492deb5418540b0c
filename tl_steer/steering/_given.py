"""What can be given wherever a steering is expected."""

from collections.abc import Sequence
from typing import Annotated

from tl_steer.arguments import Words
from tl_steer.errors import SteerError
from tl_steer.interventions import Intervention, instead_of_intervention
from tl_steer.steering._steering import Steering

SteeringLike = Annotated[
    Steering | Intervention | Sequence[Intervention],
    Words(
        "a Steering, an intervention or a list of interventions",
        "Steerings or interventions",
        instead_of_intervention,
    ),
]
"""What can be given wherever a steering is expected."""


def as_steering(given: SteeringLike) -> Steering:
    """Make a steering of one intervention, or of several; a steering is one already.

    Raises:
        SteerError: For an empty list.
    """
    if isinstance(given, Steering):
        return given
    if isinstance(given, Sequence) and not given:
        raise SteerError(
            "Expected at least one intervention, got none. To steer nothing, leave the steering "
            "out."
        )
    return Steering(*given) if isinstance(given, Sequence) else Steering(given)
