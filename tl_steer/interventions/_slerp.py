"""Spherical steering: h' = ‖h‖ slerp(ĥ, v̂, α)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.interventions._projection import along, exact, flat, like, norms, place_of, unit_of
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength

# In radians; nearer to each other than this, rounding decides which way is the shortest.
_STRAIGHT = 1e-5


@checked
@dataclass(frozen=True, eq=False)
class Slerp:
    """Rotate a token towards a direction along the great circle, keeping its norm.

    With ``Ω`` the angle between ``h`` and ``v``, and ``û`` the part of ``v`` that is orthogonal to
    ``h``, at norm 1::

        h' = ‖h‖ (cos(αΩ) ĥ + sin(αΩ) û) = ‖h‖ slerp(ĥ, v̂, α)

    Spherical steering (You, Deng and Chen 2026, https://arxiv.org/abs/2602.08169), without that
    paper's gate; for one, use a function as the strength. The whole token rotates, not only its
    part in a plane, so α = 1 leaves only its norm; 0.1 is already a lot.

    A zero vector does not change, nor does one that points exactly along the direction or against
    it (within 1e-5 radians), where no way is the shortest.

    Raises:
        NonFiniteError: For a strength that is NaN or infinite, and a zero direction.
    """

    direction: Direction
    """Only its direction matters, not its length."""

    strength: Strength = 0.1
    """α, the share of the angle: 0 does nothing, 1 goes all the way, below 0 turns away."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the direction was read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = place_of([self.direction], self.at)
        unit_of(self.direction)
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of([self.direction], self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ ‖h‖ slerp(ĥ, v̂, α)``, in float32 or better, rounded once."""
        on_device = OnDevice(unit_of(self.direction))

        def slerp(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (unit,) = on_device(acts)
            values = flat(acts)
            size = norms(values)
            now = values / torch.where(size > 0, size, 1)
            cosine = along(now, unit)
            across = unit - cosine * now
            sine = norms(across)
            # Of a zero vector, `across` is the whole unit vector.
            turns = (sine > _STRAIGHT) & (size > 0)
            angle = strength[..., None] * torch.atan2(exact(sine), exact(cosine))
            share = (angle.cos().to(values.dtype), angle.sin().to(values.dtype))
            turned = share[0] * now + share[1] * across / torch.where(turns, sine, 1)
            # Where the angle is small, `across` is mostly rounding and not quite orthogonal.
            length = norms(turned)
            turned = turned * (size / torch.where(length > 0, length, 1))
            return like(torch.where(turns, turned, values), acts)

        return slerp
