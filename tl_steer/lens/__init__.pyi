"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from .context import Context
from .loading import load_local
from .paths import use_path
from .protocol import SteerableModel
from .tokens import Chat

__all__ = [
    "Chat",
    "Context",
    "SteerableModel",
    "load_local",
    "use_path",
]
