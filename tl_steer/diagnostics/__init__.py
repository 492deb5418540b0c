"""What can be known of a direction before it is used, and a verdict on it."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
