"""Interventions: pure maps from activation to activation, each with a strength and a scope."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
