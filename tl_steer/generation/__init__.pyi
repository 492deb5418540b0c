"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._continuing import Writer as Writer, default_room as default_room
from ._generate import compare, generate
from ._generations import Generations
from ._sampling import Sampling

__all__ = [
    "Generations",
    "Sampling",
    "compare",
    "generate",
]
