"""Which hook points, heads and tokens carry a property: found by changing them."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
