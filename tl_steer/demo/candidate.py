"""Where one might steer, and how strongly: one strength over a run of layers at one site."""

from dataclasses import dataclass, replace

from tl_steer.directions import Directions
from tl_steer.interventions import Add
from tl_steer.steering import Steering


@dataclass(frozen=True)
class Candidate:
    """Each layer's own direction, added at the same strength over consecutive layers."""

    site: str
    """``hook_resid_post`` or ``hook_mlp_out``."""

    first: int
    last: int
    strength: float
    """In multiples of the directions as they were measured."""

    @property
    def hook_name(self) -> str:
        """A name or pattern, as the library takes it."""
        layers = str(self.first) if self.first == self.last else f"{{{self.first}..{self.last}}}"
        return f"blocks.{layers}.{self.site}"

    @property
    def name(self) -> str:
        """What a condition is called."""
        return f"{self.hook_name} {self.strength:+g}"

    def times(self, factor: float) -> "Candidate":
        """The same place at another strength."""
        return replace(self, strength=self.strength * factor)

    def steering(self, directions: Directions) -> Steering:
        """What adds the directions of these layers."""
        names = [f"blocks.{layer}.{self.site}" for layer in range(self.first, self.last + 1)]
        return Steering(*(Add(directions[name], self.strength) for name in names))


def random_directions(directions: Directions, *, seed: int) -> Directions:
    """The control: a random direction in place of each, of the same norm."""
    return Directions(
        {
            name: direction.random_like(seed * len(directions) + number)
            for number, (name, direction) in enumerate(directions.items())
        }
    )
