"""The strength at which something holds: a KL divergence, a budget, a flip."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
