"""Erasure: h' = h − αv rᵀ(h − μ)."""

from dataclasses import dataclass, field

from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import LeaceEraser
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class Erase:
    """Take a property out of the activations: ``h' = h − αv rᵀ(h − μ)``.

    With α = 1, no linear probe finds the property in what was read as the erasure was fitted
    (Belrose et al. 2023, https://arxiv.org/abs/2306.03819). Later layers may write it anew from
    what is not linear in it; erase at each of them where that matters.

    Raises:
        NonFiniteError: For a strength that is NaN or infinite.
    """

    erasure: LeaceEraser
    """As ``leace`` fits it."""

    strength: Strength = 1.0
    """α: 1 erases, 0 does nothing, 2 mirrors the classes."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        as_strength(self.strength, hook_name=self.hook_name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.erasure.hook_name

    def edit(self) -> Edit:
        """Prepare ``h ↦ h − αv rᵀ(h − μ)``.

        What is taken off is formed in float32 and rounded once, to the activations' dtype.
        """
        erasure = self.erasure
        parts = (erasure.direction.vector, erasure.reads, erasure.mean)
        on_device = OnDevice(*(part.flatten() for part in parts))

        def erase(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            vector, reads, mean = on_device(acts)
            # Summed token by token: what a matrix product gives a row depends on the rows beside.
            amount = ((acts.flatten(2).float() - mean) * reads).sum(-1)
            taken = (strength * amount)[..., None] * vector
            return acts - taken.to(acts.dtype).view_as(acts)

        return erase
