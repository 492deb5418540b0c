"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._continuing import (
    Continuation as Continuation,
    Writer as Writer,
    continued as continued,
    default_room as default_room,
)
from ._generate import compare, generate
from ._generations import Generations
from ._requests import (
    for_rows as for_rows,
    requests_of as requests_of,
    require_rows as require_rows,
)
from ._sampling import Sampling
from ._stream import stream

__all__ = [
    "Generations",
    "Sampling",
    "compare",
    "generate",
    "stream",
]
