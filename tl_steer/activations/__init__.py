"""What is kept of activations: vectors or moments, and which tokens they were read from."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
