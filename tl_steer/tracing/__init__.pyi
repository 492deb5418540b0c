"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._trace import trace
from ._traced import Trace

__all__ = [
    "Trace",
    "trace",
]
