"""What happens at every token: projections, changes, surprise, distance from the model as it is."""

from tl_steer.front import front_of

__getattr__, __dir__, __all__ = front_of(__name__, __file__)
