"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._control_directions import (
    orthogonal_directions as orthogonal_directions,
    random_directions as random_directions,
    shuffled_directions as shuffled_directions,
)
from ._controls_result import (
    DIRECTION as DIRECTION,
    INSTRUCTION as INSTRUCTION,
    NONE as NONE,
    ORTHOGONAL as ORTHOGONAL,
    RANDOM as RANDOM,
    SHUFFLED as SHUFFLED,
    ControlsResult,
    compared as compared,
)

__all__ = [
    "ControlsResult",
]
