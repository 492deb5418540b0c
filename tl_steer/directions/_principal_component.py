"""Principal components: along what activations, or the differences of pairs, vary most."""

import torch
from scipy.linalg import eigh
from sklearn.decomposition import PCA

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._directions import Directions
from tl_steer.directions._measured import measured
from tl_steer.directions._paired_difference import paired_differences
from tl_steer.directions._requirements import require_contrast
from tl_steer.directions._scaling import part_along
from tl_steer.shapes import Vector


@checked
def principal_component(activations: Activations) -> Directions:
    """Compute the first principal component of the texts of both classes together.

    With ``Δ = mean(h₊) − mean(h₋)`` and the covariance ``C`` of all activations about their
    common mean::

        w = the eigenvector of C with the largest eigenvalue          v = ŵ ŵᵀ Δ

    The classes give ``w`` only its sign and size: strength 1 moves one mean onto the other along
    it. This works if the property is the largest difference between the texts; otherwise ``v`` is
    short beside the mean difference.

    Args:
        activations: Of a contrast set; vectors or moments.

    Returns:
        One direction a hook point, pointing from the negative class to the positive one.

    Raises:
        DataError: For texts without classes, fewer than two of a class, activations that are all
            the same, or classes whose means do not differ along the component.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    require_contrast(activations, at_least=2, method="a principal component")
    vectors = {}
    for name in activations.hook_names:
        positive, negative = activations.means(name)
        component = _of_moments if activations.kept_moments else _of_vectors
        vectors[name] = part_along(
            component(activations, name), positive - negative, hook_name=name
        )
    return measured(activations, vectors, "principal component")


@checked
def paired_principal_component(
    activations: Activations, *, unit_differences: bool = False
) -> Directions:
    """Compute the first principal component of the differences within pairs.

    With ``dᵢ = h₊ᵢ − h₋ᵢ`` of pair ``i``, or ``dᵢ / ‖dᵢ‖``, and ``Δ = mean(h₊) − mean(h₋)``::

        w = the eigenvector of Σᵢ dᵢ dᵢᵀ with the largest eigenvalue          v = ŵ ŵᵀ Δ

    Linear artificial tomography (Zou et al. 2023, https://arxiv.org/abs/2310.01405). There, the
    order within pairs is drawn by lot, because a principal component is taken about the mean, and
    the mean of differences that all point one way is what is looked for. Here every difference
    counts both ways round, which is what all the lots come to on average, and no chance is left.

    Args:
        activations: Of a paired contrast set; vectors.
        unit_differences: Whether to bring every difference to norm 1 first, so that no pair
            outweighs the others.

    Returns:
        One direction a hook point, pointing from the negative class to the positive one; strength 1
        moves the one mean onto the other along it.

    Raises:
        DataError: For texts that are not paired, fewer than two pairs, moments without vectors,
            activations that are all the same, or classes whose means do not differ along the
            component.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    require_contrast(activations, at_least=2, method="a principal component of pairs")
    vectors = {
        name: _of_pairs(activations, name, unit_differences) for name in activations.hook_names
    }
    unit = ", unit differences" if unit_differences else ""
    return measured(activations, vectors, f"principal component (pairs{unit})")


def _of_vectors(activations: Activations, name: str) -> Vector:
    return _first(activations[name].flatten(1).double())


def _of_moments(activations: Activations, name: str) -> Vector:
    kept = activations.moments(name)
    scatter = kept.positive.merge(kept.negative).scatter
    last = len(scatter) - 1
    _, found = eigh(scatter.numpy(), subset_by_index=(last, last))
    return torch.from_numpy(found[:, 0])


def _of_pairs(activations: Activations, name: str, unit: bool) -> Vector:
    differences = paired_differences(activations, name).flatten(1).double()
    mean = differences.mean(0)
    if unit:
        differences = torch.nn.functional.normalize(differences, dim=-1)
    return part_along(_first(torch.cat([differences, -differences])), mean, hook_name=name)


def _first(rows: torch.Tensor) -> Vector:
    # Of the solvers, "full" has no chance in it, and the sign is settled later.
    found = PCA(n_components=1, svd_solver="full").fit(rows.numpy())
    return torch.from_numpy(found.components_[0])
