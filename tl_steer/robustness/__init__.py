"""Does it hold elsewhere: other prompts, longer texts, other layers and models, and attacks."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
