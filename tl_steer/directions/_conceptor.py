"""Conceptors: soft projections onto where a class's activations lie, with AND, OR and NOT."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.activations import Activations, Moments
from tl_steer.arguments import Range, checked
from tl_steer.directions._class_means import negative_mean, positive_mean
from tl_steer.directions._direction import Direction
from tl_steer.directions._provenance import Provenance
from tl_steer.directions._requirements import require_contrast
from tl_steer.errors import MismatchError, NonFiniteError
from tl_steer.frozen import FrozenDict
from tl_steer.lens.protocol import SteerableModel

Matrix = Float[Tensor, "d d"]

# What a matrix that came by way of float32 may be off by.
_ROUNDING = 1e-6
# The squared sine of an angle between subspaces below which they have a dimension in common.
_SHARED = 1e-8
# Below this, a singular value is that of a dimension which the conceptor does not have.
_NOTHING = 1e-10


Aperture = Annotated[float, Range("over 0, such as 10", over=0)]


@checked
@dataclass(frozen=True, eq=False)
class Conceptor:
    """A soft projection ``C``, symmetric, with singular values between 0 and 1.

    Those near 1 belong to dimensions in which the class's activations are large, those near 0 to
    dimensions in which they are not. Conceptors of one hook point combine (Jaeger 2014,
    https://arxiv.org/abs/1406.2671; in full: https://arxiv.org/abs/1403.3369)::

        ~C      NOT     I − C
        C & B   AND     (C⁻¹ + B⁻¹ − I)⁻¹, on the intersection of their ranges
        C | B   OR      ~(~C & ~B)

    Raises:
        MismatchError: For a matrix that is not square, symmetric, of the hook point's width, or
            whose singular values are not between 0 and 1.
        NonFiniteError: For NaN or infinity.
    """

    matrix: Matrix
    """``C``, float64 on the CPU, with the site's axes in one; no unit."""

    hook_name: str
    """Where it was read."""

    site_shape: tuple[int, ...]
    """Shape of one token's activation there."""

    provenance: Provenance

    def __post_init__(self) -> None:
        """Bring the matrix to rest: float64, on the CPU, detached, its own copy, symmetric."""
        matrix = self.matrix.detach().to("cpu", torch.float64, copy=True)
        width = torch.Size(self.site_shape).numel()
        if not bool(matrix.isfinite().all()):
            raise NonFiniteError(f"{self.hook_name}: a conceptor holds NaN or infinity.")
        if matrix.shape != (width, width):
            raise MismatchError(
                f"{self.hook_name}: expected a conceptor of shape {width} × {width}, got "
                f"{tuple(matrix.shape)}."
            )
        if not torch.allclose(matrix, matrix.T, rtol=0, atol=_ROUNDING):
            raise MismatchError(
                f"{self.hook_name}: expected a symmetric matrix, got one that is not."
            )
        matrix = (matrix + matrix.T) / 2
        values = torch.linalg.eigvalsh(matrix)
        if not bool(((values >= -_ROUNDING) & (values <= 1 + _ROUNDING)).all()):
            raise MismatchError(
                f"{self.hook_name}: expected singular values between 0 and 1, got "
                f"{float(values.min()):.3g} to {float(values.max()):.3g}."
            )
        object.__setattr__(self, "matrix", matrix)

    @property
    def quota(self) -> float:
        """Mean of the singular values: the share of the space that it lets through."""
        return float(self.matrix.trace()) / len(self.matrix)

    def __invert__(self) -> "Conceptor":
        """NOT: what the class leaves free."""
        identity = torch.eye(len(self.matrix), dtype=torch.float64)
        return self._made(identity - self.matrix, f"NOT ({self.provenance.method})")

    def __and__(self, other: "Conceptor") -> "Conceptor":
        """AND: what both have.

        Raises:
            MismatchError: For conceptors of two hook points or models.
        """
        self._require_same_place(other)
        both = f"({self.provenance.method}) AND ({other.provenance.method})"
        return self._made(_conjunction(self.matrix, other.matrix), both)

    def __or__(self, other: "Conceptor") -> "Conceptor":
        """OR: what either has.

        Raises:
            MismatchError: For conceptors of two hook points or models.
        """
        method = f"({self.provenance.method}) OR ({other.provenance.method})"
        return self._made((~(~self & ~other)).matrix, method)

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that it was not read from, as ``Direction.check_fits`` does.

        Raises:
            MismatchError: Saying what differs: name, depth, width, weight processing or shape.
        """
        place = Direction(torch.zeros(self.site_shape), self.hook_name, 0.0, self.provenance)
        place.check_fits(model)

    def __repr__(self) -> str:
        """One line: what, where, and how much of the space."""
        return (
            f"Conceptor({self.provenance.method} at {self.hook_name}, quota {self.quota:.3g}, "
            f"{self.provenance.model.name})"
        )

    def _made(self, matrix: Matrix, method: str) -> "Conceptor":
        return replace(self, matrix=matrix, provenance=self.provenance.as_result_of(method))

    def _require_same_place(self, other: "Conceptor") -> None:
        if (self.hook_name, self.site_shape) != (other.hook_name, other.site_shape):
            raise MismatchError(
                f"A conceptor of {self.hook_name} cannot be combined with one of "
                f"{other.hook_name}. Combine conceptors of one hook point."
            )
        differs = self.provenance.model.difference(other.provenance.model)
        if differs:
            raise MismatchError(f"Conceptors of two models cannot be combined ({differs}).")


@checked
@dataclass(frozen=True, eq=False)
class ClassConceptors:
    """Conceptors of the two classes at one hook point."""

    positive: Conceptor
    negative: Conceptor


@checked
def conceptors(
    activations: Activations, *, aperture: Aperture = 10.0
) -> Mapping[str, ClassConceptors]:
    """Compute the conceptor of each class at every hook point that was captured.

    With the class's correlation matrix ``R = mean(hhᵀ)``, about the origin, and aperture ``a``::

        C = R(R + a⁻²I)⁻¹

    As Postmus and Abreu (2024, https://arxiv.org/abs/2410.16314) steer with. Along each eigenvector
    of ``R``, a mean square ``s`` becomes the singular value ``s/(s + a⁻²)``. In float64.

    Args:
        activations: Of a contrast set; vectors or moments.
        aperture: ``a``, in inverse activation units. Dimensions with a root mean square above
            ``1/a`` are let through, those below it are not; the larger, the more.

    Returns:
        By hook name, ``positive`` and ``negative``.

    Raises:
        SteerError: For an aperture that is not a positive number.
        DataError: For texts without classes, or activations that are all the same.
        NonFiniteError: For NaN or infinity.
    """
    require_contrast(activations, at_least=1, method="a conceptor")
    means = positive_mean(activations), negative_mean(activations)
    found = {}
    for name in activations.hook_names:
        moments = activations.moments(name)
        found[name] = ClassConceptors(
            _conceptor(moments.positive, aperture, means[0][name]),
            _conceptor(moments.negative, aperture, means[1][name]),
        )
    return FrozenDict(found)


def _conceptor(moments: Moments, aperture: float, mean: Direction) -> Conceptor:
    """Compute one, of the place and origin of the class's mean."""
    correlation = moments.scatter / moments.count + torch.outer(moments.mean, moments.mean)
    values, vectors = torch.linalg.eigh(correlation)
    values = values.clamp(min=0)
    matrix = (vectors * (values / (values + aperture**-2))) @ vectors.T
    shape = tuple(mean.vector.shape)
    which = mean.provenance.method.removesuffix(" mean")
    method = f"conceptor of the {which} class, aperture {aperture:g}"
    return Conceptor(matrix, mean.hook_name, shape, mean.provenance.as_result_of(method))


def _conjunction(one: Matrix, other: Matrix) -> Matrix:
    """Compute AND on the intersection of the ranges, so that neither has to be invertible."""
    (beyond, inverse), (beyond_other, inverse_other) = _split(one), _split(other)
    # Orthogonal to both complements is what lies in both ranges.
    values, vectors = torch.linalg.eigh(beyond + beyond_other)
    shared = vectors[:, values <= _SHARED]
    if not shared.shape[1]:
        return torch.zeros_like(one)
    identity = torch.eye(shared.shape[1], dtype=one.dtype)
    both = shared.T @ (inverse + inverse_other) @ shared - identity
    # Not below the identity, were it not for rounding where a singular value is next to nothing.
    sizes, axes = torch.linalg.eigh((both + both.T) / 2)
    axes = shared @ axes
    conjunction: Matrix = (axes / sizes.clamp(min=1)) @ axes.T
    return conjunction


def _split(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Return the projection onto what is outside of the range, and the pseudo-inverse."""
    values, vectors = torch.linalg.eigh(matrix)
    has = values > _NOTHING
    inside, outside = vectors[:, has], vectors[:, ~has]
    return outside @ outside.T, (inside / values[has]) @ inside.T
