"""Contrast texts, their checks, and the packaged model and reviews."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
