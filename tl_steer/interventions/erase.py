"""Erasure: h' = h − αv rᵀ(h − μ)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tl_steer.directions.leace import Erasure
from tl_steer.errors import NonFiniteError
from tl_steer.interventions.protocol import Edit
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes.positions import Scope, as_scope, everywhere


@dataclass(frozen=True, eq=False)
class Erase:
    """Take a property out of the activations: ``h' = h − αv rᵀ(h − μ)``.

    With α = 1, no linear probe finds the property in what was read as the erasure was fitted
    (Belrose et al. 2023, https://arxiv.org/abs/2306.03819). Later layers may write it anew from
    what is not linear in it; erase at each of them where that matters.

    Raises:
        NonFiniteError: For a strength that is NaN or infinite.
    """

    erasure: Erasure
    """As ``leace`` fits it."""

    strength: float = 1.0
    """α: 1 erases, 0 does nothing, 2 mirrors the classes."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        if not abs(self.strength) < float("inf"):
            raise NonFiniteError(f"{self.hook_name}: strength {self.strength!r} is not finite.")
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.erasure.hook_name

    @property
    def n_rows(self) -> None:
        """One setting serves all rows."""
        return

    def rows(self, index: Sequence[int]) -> "Erase":
        """Return itself: all rows are treated alike."""
        return self

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that the erasure was not fitted to.

        Raises:
            MismatchError: Saying what differs.
        """
        self.erasure.direction.check_fits(model)

    def edit(self) -> Edit | None:
        """Prepare ``h ↦ h − αv rᵀ(h − μ)``; ``None`` when α is zero.

        What is taken off is formed in float32 and rounded once, to the activations' dtype.
        """
        if self.strength == 0:
            return None
        removed = self.strength * self.erasure.direction.vector.flatten()
        parts = (removed, self.erasure.reads.flatten(), self.erasure.mean.flatten())
        ready: dict[torch.device, tuple[Tensor, ...]] = {}

        def erase(acts: Tensor) -> Tensor:
            if acts.device not in ready:
                ready[acts.device] = tuple(part.to(acts.device) for part in parts)
            taken, reads, mean = ready[acts.device]
            # Summed token by token: what a matrix product gives a row depends on the rows beside.
            amount = ((acts.flatten(2).float() - mean) * reads).sum(-1, keepdim=True)
            return acts - (amount * taken).to(acts.dtype).view_as(acts)

        return erase
