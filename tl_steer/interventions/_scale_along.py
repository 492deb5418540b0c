"""Scaling along a direction: h' = h + α(f − 1)v̂v̂ᵀ(h − μ)."""

from dataclasses import dataclass, field

from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.interventions._projection import (
    along,
    coordinate_of,
    flat,
    like,
    place_of,
    require_finite,
    unit_of,
)
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class ScaleAlong:
    """Multiply a token's part along a direction: ``h' = h + α(f − 1)v̂v̂ᵀ(h − μ)``.

    The distance of the coordinate ``v̂ᵀh`` from that of ``μ`` is multiplied by ``f``; all else
    stays. This amplifies a difference that is there and creates none: ``f = 2`` doubles, ``f = −1``
    mirrors, and ``f = 0`` is :class:`Ablate` for ``μ = 0`` and :class:`AffineEdit` for a class
    mean.

    Raises:
        MismatchError: For a direction and a point of two hook points without ``at``, or shapes.
        NonFiniteError: For a factor or strength that is NaN or infinite, and a zero direction.
    """

    direction: Direction
    """Only its direction matters, not its length."""

    factor: float
    """``f``; 1 changes nothing."""

    strength: Strength = 1.0
    """α, the share of the way from 1 to ``f``."""

    about: Direction | float = field(default=0.0, kw_only=True)
    """``μ``, the fixed point: a vector as from ``positive_mean``, of which only ``v̂ᵀμ`` counts, or
    that number itself, in activation units."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the direction was read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = place_of(self._vectors, self.at)
        unit = unit_of(self.direction)
        require_finite(name, factor=self.factor, about=coordinate_of(self.about, unit))
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of(self._vectors, self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + α(f − 1)v̂v̂ᵀ(h − μ)``, in float32 or better, rounded once."""
        unit = unit_of(self.direction)
        centre, more = coordinate_of(self.about, unit), self.factor - 1
        on_device = OnDevice(unit)

        def scale_along(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (unit,) = on_device(acts)
            values = flat(acts)
            added = strength[..., None] * more * (along(values, unit) - centre)
            return like(values + added * unit, acts)

        return scale_along

    @property
    def _vectors(self) -> list[Direction]:
        points = [self.about] if isinstance(self.about, Direction) else []
        return [self.direction, *points]
