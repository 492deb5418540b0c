"""Directions: the value, its storage, and one file for each family of estimators."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
