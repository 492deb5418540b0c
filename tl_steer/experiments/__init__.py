"""Experiments: many settings at once, kept on disk, chosen among, and set beside controls."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
