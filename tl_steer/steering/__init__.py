"""Interventions together: as plain ``fwd_hooks``, and as a block."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
