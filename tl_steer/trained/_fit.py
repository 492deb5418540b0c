"""How long, how fast and on what share of the examples a direction is trained."""

from dataclasses import dataclass, fields
from typing import Annotated

from tl_steer.arguments import Count, Positive, Range, Seed, checked
from tl_steer.errors import SteerError

Below = Annotated[float, Range("from 0 to below 1; 0.2 is usual", least=0, under=1)]


@checked
@dataclass(frozen=True)
class Fit:
    """How a direction is trained.

    Raises:
        SteerError: For a number that is out of its range.
    """

    steps: Count = 100
    """Steps of Adam, at most."""

    learning_rate: Positive | None = None
    """Adam's learning rate, relative to the size of what is trained; it falls linearly to zero.
    ``None`` takes the method's own."""

    batch_size: Count = 8
    """Examples a step."""

    held_out: Below = 0.2
    """Share of the examples that chooses the best step; 0 takes the last step."""

    every: Count = 10
    """Steps between two measurements of the held-out loss."""

    patience: Count = 5
    """Training ends after this many measurements without improvement."""

    seed: Seed = 0
    """Seeds the split, the order of the examples and the start."""


def require_whole(fit: Fit, method: str) -> None:
    """Refuse settings of batches and held-out examples, for a method that has neither.

    Raises:
        SteerError: Naming them.
    """
    useless = ("batch_size", "held_out", "every", "patience")
    given = [
        f"{each.name}={getattr(fit, each.name)}"
        for each in fields(fit)
        if each.name in useless and getattr(fit, each.name) != each.default
    ]
    if given:
        raise SteerError(
            f"{method} uses every example at every step and holds none out, so it cannot use "
            f"{', '.join(given)}. Set steps, learning_rate and seed only."
        )
