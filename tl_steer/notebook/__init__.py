"""What is moved by hand in a notebook: dials for directions beside what the model writes."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
