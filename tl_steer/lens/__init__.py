"""The only rooms that know TransformerLens; everything above speaks of hook names and tokens."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
