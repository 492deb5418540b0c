"""Directions of one length, orthogonal to those found before."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Flat = Float[Tensor, " d"]


@dataclass(frozen=True, eq=False)
class Sphere:
    """Vectors of norm ``radius`` that are orthogonal to the columns of ``basis``."""

    radius: float
    """In the vectors' own units."""

    basis: Float[Tensor, "d found"]
    """Orthonormal; no column where there is nothing to avoid."""

    def free(self, vector: Flat) -> Flat:
        """Remove what lies in the span of the basis: ``x − Q Qᵀ x``."""
        return vector - self.basis @ (self.basis.T @ vector)

    def onto(self, vector: Flat) -> Flat:
        """Bring a vector to the nearest point of the sphere."""
        free = self.free(vector)
        nearest: Flat = free * (self.radius / free.norm())
        return nearest

    def tangent(self, at: Flat, gradient: Flat) -> Flat:
        """Keep what leads along the sphere: ``g − Q Qᵀ g − x xᵀg / ‖x‖²``."""
        free = self.free(gradient)
        return free - at * ((at @ free) / (at @ at))

    def start(self, generator: torch.Generator) -> Flat:
        """Draw a point, all directions alike."""
        noise = torch.randn(len(self.basis), generator=generator, dtype=torch.float64)
        return self.onto(noise.to(self.basis))


def sphere(radius: float, found: list[Flat], like: Flat) -> Sphere:
    """Make the sphere of vectors orthogonal to ``found``, on the device of ``like``."""
    if not found:
        return Sphere(radius, like.new_zeros((len(like), 0)))
    columns = torch.stack(found, dim=1).double()
    return Sphere(radius, torch.linalg.qr(columns).Q.to(like))
