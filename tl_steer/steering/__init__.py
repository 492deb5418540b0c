"""Interventions together: as plain ``fwd_hooks``, and as a block."""

from tl_steer.steering.given import SteeringLike, as_steering
from tl_steer.steering.steered import Steered, in_part, steer
from tl_steer.steering.steering import Steering

__all__ = ["Steered", "Steering", "SteeringLike", "as_steering", "in_part", "steer"]
