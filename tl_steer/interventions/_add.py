"""Addition: h' = h + αv."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Direction, require_directions
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.interventions._doses import Doses, strengths_for, warn_if_large
from tl_steer.interventions._projection import place_of
from tl_steer.interventions._protocol import Edit, per_site
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import (
    Numbers,
    Strength,
    as_strength,
    chosen_rows,
    require_rows,
    rows_of,
)


@checked
@dataclass(frozen=True, eq=False, init=False)
class Add:
    """Add a direction to the activations: ``h' = h + αv``.

    The oldest steering operation (Turner et al. 2023, https://arxiv.org/abs/2308.10248). Say how
    much in one of two ways::

        ts.Add(joy[15], 4.0)         # α = 4: four times the direction as measured
        ts.Add(joy[15], dose=0.2)    # the α at which ‖αv‖ is a fifth of the activations' norm

    Args:
        direction: One for all rows of a batch, or a sequence with one for each row.
        strength: α; 1 by default.
        dose: ``‖αv‖ / ‖h‖`` instead of a strength, with the mean norm of the activations where the
            direction was read; negative doses act against the direction. One number, or one for
            each row. The same dose does about the same at other layers and in other models.
        scope: Which tokens.
        at: The hook point; by default where the direction was read. A number means a layer.

    Raises:
        NonFiniteError: For a strength that is NaN or infinite, and for a dose of a direction that
            does not know the activations' norm.
        MismatchError: For directions of several hook points without ``at``, and for strengths and
            directions of different numbers of rows.
        SteerError: For both a strength and a dose.

    Warns:
        LargeDoseWarning: For a dose over 0.4 in the residual stream.
    """

    direction: Direction | Sequence[Direction]
    """One for all rows of a batch, or a sequence with one for each row."""

    strength: Strength = 1.0
    """α, in multiples of the direction as measured: a mean difference of strength 1 moves the
    average of one class to that of the other. One number, one for each row, or a function of the
    pass."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the direction was read."""

    def __init__(
        self,
        direction: Direction | Sequence[Direction],
        strength: Strength | None = None,
        *,
        dose: Doses | None = None,
        scope: Scope | slice = everywhere,
        at: Place | None = None,
    ) -> None:
        """Check what can be checked without a model."""
        object.__setattr__(self, "direction", direction)
        object.__setattr__(self, "scope", as_scope(scope))
        object.__setattr__(self, "at", at)
        # Written out, so that a layer's number is a name wherever the addition is looked at.
        object.__setattr__(self, "at", self.hook_name if at is not None else None)
        if dose is not None:
            if strength is not None:
                raise SteerError(
                    f"Add(…, {strength!r}, dose={dose!r}): give a strength or a dose, not both."
                )
            strength = strengths_for(self.directions, dose)
        object.__setattr__(self, "strength", 1.0 if strength is None else strength)
        self._check_strength()
        if dose is not None:
            warn_if_large(self.dose, self.hook_name)

    def _check_strength(self) -> None:
        strength = as_strength(self.strength, hook_name=self.hook_name)
        n_rows = rows_of(self.strength)
        if len(self.directions) > 1 and n_rows not in (None, len(self.directions)):
            raise MismatchError(
                f"Got {len(self.directions)} directions and {n_rows} strengths. Give one of each "
                "for every row."
            )
        if isinstance(strength, Numbers):
            self._require_finite(strength)

    def _require_finite(self, strength: Numbers) -> None:
        largest = max(float(each.vector.abs().max()) for each in self.directions)
        if not bool(torch.isfinite(strength.values.abs().max() * largest)):
            raise NonFiniteError(
                f"{self.hook_name}: strength {self.strength!r} times a direction of norm "
                f"{max(each.norm for each in self.directions):.3g} is beyond float32. Lower the "
                "strength."
            )

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The directions as a tuple, of one or of one for each row."""
        return require_directions(self.direction)

    @cached_property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of(self.directions, self.at)

    @property
    def n_rows(self) -> int | None:
        """How many rows it is made for; ``None`` when one setting serves all rows."""
        return len(self.directions) if len(self.directions) > 1 else rows_of(self.strength)

    @property
    def dose(self) -> float:
        """Relative dose ``‖αv‖ / ‖h‖``; the largest, when rows differ; NaN for a function."""
        strength = as_strength(self.strength, hook_name=self.hook_name)
        if not isinstance(strength, Numbers):
            return float("nan")
        strengths = [float(each) for each in strength.values.abs().flatten()]
        several = self.directions if len(self.directions) > 1 else self.directions * len(strengths)
        strengths *= len(several) // len(strengths)
        return max(d.dose(s) for d, s in zip(several, strengths, strict=True))

    def rows(self, index: Sequence[int]) -> "Add":
        """Keep the directions and strengths of some rows, in the order asked for."""
        several = len(self.directions) > 1
        if several:
            require_rows(index, len(self.directions))
        # Both at once: a strength for each row fits only as many directions.
        return replace(
            self,
            direction=[self.directions[row] for row in index] if several else self.direction,
            strength=chosen_rows(self.strength, index),
        )

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + αv``.

        The product αv is formed in float32 and rounded once, to the activations' dtype, so that a
        row's result does not depend on the rows beside it.
        """
        on_device = OnDevice(torch.stack([each.vector for each in self.directions])[:, None])

        def add(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (vectors,) = on_device(acts)
            return acts + (per_site(strength, acts) * vectors).to(acts.dtype)

        return add
