"""How strongly: numbers, one for each row, and functions of what the model is doing."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
