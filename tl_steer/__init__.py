"""Activation steering for TransformerLens models.

What is here stands in ``__init__.pyi``, and is loaded when it is first used: torch, scikit-learn
and matplotlib take seconds, and a program that asks for help needs none of them.
"""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
