"""Angular steering: h' = h − Ph + ‖Ph‖(cos θ b₁ + sin θ b₂)."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.errors import MismatchError
from tl_steer.interventions._projection import (
    Unit,
    along,
    exact,
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

# The sine of an angle that float32's rounding alone may make.
_PARALLEL = 1e-6


@checked
@dataclass(frozen=True, eq=False)
class Rotate:
    """Rotate a token's part in a plane to an angle, keeping its length.

    With ``b₁ = v̂``, ``b₂`` the part of the second direction that is orthogonal to it, at norm 1,
    ``P`` the projection onto their plane, ``φ`` the angle of ``Ph`` from ``b₁`` towards ``b₂``, and
    ``θ`` the angle asked for::

        h' = h − Ph + ‖Ph‖(cos ψ b₁ + sin ψ b₂)          ψ = φ + α(θ − φ), the shorter way round

    With α = 1, every token ends at the same angle θ: the angular steering of Vu and Nguyen (2025,
    https://arxiv.org/abs/2510.26243). Norms stay at any strength. Tokens with nothing in the plane
    do not change.

    Raises:
        MismatchError: For two directions that are parallel, of two hook points without ``at``, or
            of two shapes.
        NonFiniteError: For an angle or strength that is NaN or infinite, and a zero direction.
    """

    toward: Direction
    """``v``, where the angle 0 is; only its direction matters, not its length."""

    plane: Direction
    """Another direction, which with ``toward`` spans the plane; the angle of 90 degrees is on its
    side. The paper takes the first principal component of the directions of all layers."""

    degrees: float = 0.0
    """``θ``: 0 is all along ``toward``, 180 all against it, 90 and 270 neither."""

    strength: Strength = 1.0
    """α, the share of the turn: 1 for all of it, 0 for none."""

    adaptive: bool = field(default=False, kw_only=True)
    """Rotate only tokens with ``v̂ᵀh > 0``: the paper's adaptive variant for removing a property,
    which small models were found to need."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the directions were read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = place_of([self.toward, self.plane], self.at)
        require_finite(name, degrees=self.degrees)
        _ = self.basis
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def basis(self) -> tuple[Unit, Unit]:
        """``b₁`` and ``b₂``, orthonormal, in float32, with the site's axes in one.

        Raises:
            MismatchError: When the directions span no plane.
        """
        first, second = (unit_of(each).double() for each in (self.toward, self.plane))
        rest = second - (first @ second) * first
        if float(rest.norm()) <= _PARALLEL:
            raise MismatchError(
                f"{self.hook_name}: the two directions are parallel, so they span no plane. Give "
                "another one for plane=."
            )
        return first.float(), (rest / rest.norm()).float()

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of([self.toward, self.plane], self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ h − Ph + ‖Ph‖(cos ψ b₁ + sin ψ b₂)``, rounded once."""
        on_device = OnDevice(*self.basis)
        goal = math.radians(self.degrees)

        def rotate(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            first, second = on_device(acts)
            values = flat(acts)
            x, y = along(values, first), along(values, second)
            angle, size = torch.atan2(exact(y), exact(x)), torch.hypot(exact(x), exact(y))
            turn = torch.remainder(goal - angle + math.pi, 2 * math.pi) - math.pi
            after = angle + strength[..., None] * turn
            new_x, new_y = (size * after.cos()).to(x.dtype), (size * after.sin()).to(x.dtype)
            changed = (new_x - x) * first + (new_y - y) * second
            if self.adaptive:
                changed = torch.where(x > 0, changed, 0)
            return like(values + changed, acts)

        return rotate
