"""Ablation: h' = h − αQQᵀh."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Direction, require_directions
from tl_steer.interventions._projection import along, flat, like, place_of, unit_of
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength

# Units that are parallel to within float32's rounding are one.
_PARALLEL = 1e-6


@checked
@dataclass(frozen=True, eq=False)
class Ablate:
    """Project a direction, or the span of several, out of the activations: ``h' = h − αQQᵀh``.

    ``Q`` is an orthonormal basis of the span; for one direction, ``h' = h − αv̂v̂ᵀh``. With
    α = 1 wherever the stream is written to, this equals orthogonalising every weight that writes
    to it, ``W' = W − QQᵀW``, biases and embeddings included (Arditi et al. 2024,
    https://arxiv.org/abs/2406.11717).

    Raises:
        MismatchError: For directions of several hook points without ``at``, or of several shapes.
        NonFiniteError: For a zero direction, and a strength that is NaN or infinite.
    """

    direction: Direction | Sequence[Direction]
    """One, or several that span a subspace. Lengths do not matter, and parallel ones count once."""

    strength: Strength = 1.0
    """α, the share to remove: 1 for all of it, 0 for none, 2 to mirror."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the directions were read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        as_strength(self.strength, hook_name=place_of(self.directions, self.at))
        object.__setattr__(self, "scope", as_scope(self.scope))
        _ = self.basis

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The directions as a tuple."""
        return require_directions(self.direction)

    @cached_property
    def basis(self) -> Float[Tensor, "rank d"]:
        """``Qᵀ``, in float32, with the site's axes in one; from a singular value decomposition."""
        units = torch.stack([unit_of(each) for each in self.directions]).double()
        _, sizes, right = torch.linalg.svd(units, full_matrices=False)
        basis: Tensor = right[sizes > _PARALLEL * sizes.max()].float()
        return basis

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of(self.directions, self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ h − αQQᵀh``, in float32 or better, rounded once."""
        on_device = OnDevice(*self.basis)

        def ablate(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            values = flat(acts)
            inside = torch.zeros_like(values)
            for unit in on_device(acts):
                inside = inside + along(values, unit) * unit
            return like(values - strength[..., None] * inside, acts)

        return ablate
