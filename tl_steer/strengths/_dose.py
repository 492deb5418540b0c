"""Relative dose: a strength for each token, from the size of what it is added to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from tl_steer.activations import norms_of
from tl_steer.arguments import checked
from tl_steer.directions import Direction, require_directions
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.protocol import SteerableModel
from tl_steer.shapes import Acts, TokenStrengths
from tl_steer.strengths._strength import require_rows


@checked
@dataclass(frozen=True, eq=False)
class Dose:
    """The strength at which what is added is a given share of the activation: ``α = dose ‖h‖/‖v‖``.

    ``h`` is each token's own activation as it is when the intervention comes to it, so that
    ``‖αv‖ = dose · ‖h‖`` for every token. ``direction.strength_for(dose=0.1)`` is one number for
    all tokens instead, from the mean norm where the direction was read. The two differ most at
    attention sinks, whose norm is 10 to 100 times the others': ``scope=slice(1, None)`` leaves the
    first token, which is one, alone.

    Raises:
        NonFiniteError: For a zero direction, and for a dose that is NaN or infinite.
        MismatchError: For something that is no direction.
    """

    direction: Direction | Sequence[Direction]
    """What is added; one for all rows of a batch, or a sequence with one for each row."""

    dose: float
    """``‖αv‖ / ‖h‖``, e.g. 0.1; below zero, against the direction."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        for each in self.directions:
            _ = each.unit

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The directions as a tuple, of one or of one for each row."""
        return require_directions(self.direction)

    @property
    def n_rows(self) -> int | None:
        """How many rows it is made for; ``None`` when one direction serves all."""
        return len(self.directions) if len(self.directions) > 1 else None

    def rows(self, index: Sequence[int]) -> "Dose":
        """Keep the directions of some rows, in the order asked for."""
        if self.n_rows is None:
            return self
        require_rows(index, self.n_rows)
        return replace(self, direction=[self.directions[row] for row in index])

    def check_fits(self, model: SteerableModel, hook_name: str) -> None:
        """Refuse a model or a hook point that the directions do not fit.

        Raises:
            MismatchError: Saying what differs.
        """
        for each in self.directions:
            each.check_fits(model, hook_name)

    @cached_property
    def _per_norm(self) -> OnDevice:
        per_norm = [[self.dose / each.norm] for each in self.directions]
        return OnDevice(torch.tensor(per_norm, dtype=torch.float32))

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Compute ``dose ‖h‖ / ‖v‖`` of each token."""
        (per_norm,) = self._per_norm(acts)
        return per_norm * norms_of(acts)
