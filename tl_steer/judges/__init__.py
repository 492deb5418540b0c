"""Judges: a text to a score; lexicon, trained classifiers, and models that are asked."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
