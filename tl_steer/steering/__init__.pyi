"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._along import along as along
from ._given import SteeringLike as SteeringLike, as_steering as as_steering
from ._hooks import Step as Step
from ._merged import can_merge as can_merge, merged as merged
from ._steered import Steered as Steered, in_part as in_part, steer
from ._steering import Steering
from ._unmarked import Marked as Marked
from ._watched import Change as Change, Watch as Watch

__all__ = [
    "Steering",
    "steer",
]
