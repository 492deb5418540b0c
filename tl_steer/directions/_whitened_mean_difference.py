"""Whitened mean difference: linear discriminant analysis with shrinkage."""

from typing import Annotated

import torch
from scipy.linalg import solve
from sklearn.covariance import shrunk_covariance

from tl_steer.activations import Activations, ClassMoments
from tl_steer.arguments import Range, checked
from tl_steer.directions._directions import Directions
from tl_steer.directions._measured import measured
from tl_steer.directions._requirements import require_contrast
from tl_steer.directions._scaling import part_along
from tl_steer.errors import DataError
from tl_steer.shapes import Vector

Shrinkage = Annotated[float, Range("over 0 (whitened) up to 1 (mean difference)", over=0, most=1)]


@checked
def whitened_mean_difference(activations: Activations, *, shrinkage: Shrinkage = 0.5) -> Directions:
    """Compute the mean difference where the classes vary little within themselves.

    With ``Δ = mean(h₊) − mean(h₋)`` and the pooled covariance within the classes ``Σ``::

        w = ((1 − s) Σ + s (tr Σ / d) I)⁻¹ Δ          v = ŵ ŵᵀ Δ

    ``w`` is Fisher's linear discriminant, regularised as by Friedman (1989,
    https://doi.org/10.1080/01621459.1989.10478752). The mean of a few hundred texts is uncertain
    most along the dimensions in which texts differ most; these count for less here, and the
    direction disturbs the model less. It is scaled to the part of ``Δ`` that lies along it, so
    that strength 1 moves the one mean onto the other along this direction.

    Args:
        activations: Of a contrast set; vectors or moments.
        shrinkage: ``s``, over 0 and up to 1, where it becomes the mean difference. With fewer
            texts than dimensions Σ has no inverse, and shrinkage gives it one.

    Returns:
        One direction a hook point, pointing from the negative class to the positive one.

    Raises:
        SteerError: For a shrinkage outside its range.
        DataError: For texts without classes, fewer than two of a class, classes that do not vary
            within themselves, or classes of equal means.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    require_contrast(activations, at_least=2, method="a covariance within the classes")
    vectors = {
        name: _vector(name, activations.moments(name), shrinkage) for name in activations.hook_names
    }
    return measured(activations, vectors, f"whitened mean difference (shrinkage {shrinkage:g})")


def _vector(name: str, moments: ClassMoments, shrinkage: float) -> Vector:
    positive, negative = moments.positive, moments.negative
    difference = positive.mean - negative.mean
    scatter = positive.scatter + negative.scatter
    if not bool(scatter.any()):
        raise DataError(
            f"{name}: the activations are the same for every text of a class, so there is nothing "
            "to whiten. Use mean_difference."
        )
    covariance = scatter / (positive.count + negative.count - 2)
    shrunk = shrunk_covariance(covariance.numpy(), shrinkage=shrinkage)
    weights = torch.from_numpy(solve(shrunk, difference.numpy(), assume_a="pos"))
    return part_along(weights, difference, hook_name=name)
