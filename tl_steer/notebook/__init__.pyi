"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._playground import Playground as Playground, playground
from ._settings import Settings as Settings

__all__ = [
    "playground",
]
