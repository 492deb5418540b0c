"""LEACE: an affine map after which no linear probe finds the property."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from tl_steer.activations import Activations, ClassMoments
from tl_steer.arguments import checked
from tl_steer.directions._direction import Direction
from tl_steer.directions._measured import measured
from tl_steer.directions._requirements import require_contrast
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError, to_install
from tl_steer.frozen import FrozenDict
from tl_steer.shapes import Vector

_EXACT = 1e-6


@checked
@dataclass(frozen=True, eq=False)
class LeaceEraser:
    """The affine map ``h' = h − v rᵀ(h − μ)``, to be used with ``Erase``.

    Raises:
        MismatchError: For parts of different shapes.
        NonFiniteError: For NaN or infinity.
    """

    direction: Direction
    """``v``, what is taken off: the mean difference."""

    reads: Vector
    """``r``, how much of it there is: ``rᵀ(h − μ)`` differs by 1 between the means of the classes.
    In inverse activation units."""

    mean: Vector
    """``μ``, the mean over both classes, which stays where it is."""

    def __post_init__(self) -> None:
        """Bring the tensors to rest: float32, on the CPU, detached, finite, their own copies."""
        for part in ("reads", "mean"):
            tensor = getattr(self, part).detach().to("cpu", torch.float32, copy=True)
            if tensor.shape != self.direction.vector.shape:
                raise MismatchError(
                    f"{self.hook_name}: {part} has shape {tuple(tensor.shape)} and the direction "
                    f"{tuple(self.direction.vector.shape)}; they must be equal."
                )
            if not bool(torch.isfinite(tensor).all()):
                raise NonFiniteError(f"{self.hook_name}: {part} holds NaN or infinity.")
            object.__setattr__(self, part, tensor)

    @property
    def hook_name(self) -> str:
        """Where it was fitted."""
        return self.direction.hook_name


@checked
def leace(activations: Activations) -> Mapping[str, LeaceEraser]:
    """Fit least-squares concept erasure at every hook point that was captured.

    With ``Δ = mean(h₊) − mean(h₋)``, the covariance ``Σ`` of all activations, shrunk, and their
    mean ``μ``::

        h' = h − v rᵀ(h − μ)          v = Δ          r = Σ⁻¹Δ / (Δᵀ Σ⁻¹ Δ)

    Of all affine maps after which no linear probe does better than chance on the texts it was
    fitted to, the one that changes the activations least (Belrose et al. 2023,
    https://arxiv.org/abs/2306.03819), as the package ``concept-erasure`` fits it. For two classes
    its projection has rank one, and is kept as the two vectors.

    Args:
        activations: Of a contrast set; vectors or moments.

    Returns:
        By hook name.

    Raises:
        SteerError: When ``concept-erasure`` is not installed.
        DataError: For texts without classes, fewer than two of a class, activations that are all
            the same, or classes of equal means.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    package = _concept_erasure()
    require_contrast(activations, at_least=2, method="LEACE")
    parts = {name: _parts(package, activations, name) for name in activations.hook_names}
    directions = measured(
        activations, {n: removed for n, (removed, _, _) in parts.items()}, "LEACE"
    )
    return FrozenDict(
        {
            name: LeaceEraser(
                directions[name],
                reads.view(activations.site_shapes[name]),
                mean.view(activations.site_shapes[name]),
            )
            for name, (_, reads, mean) in parts.items()
        }
    )


def _parts(package: Any, activations: Activations, name: str) -> tuple[Vector, Vector, Vector]:
    moments = activations.moments(name)
    mean = moments.positive.merge(moments.negative).mean
    difference = moments.positive.mean - moments.negative.mean
    # On clouds that are nearly round the package's shrinkage can go too far, to a covariance with
    # negative variances; such clouds do well without.
    for shrinkage in (True, False):
        eraser = _eraser(package, moments, shrinkage)
        removed, reads = eraser.proj_left[:, 0], eraser.proj_right[0]
        # Only the product of the two is given; the whole difference is put into the first.
        length = removed @ difference / (difference @ difference)
        rest = (removed - length * difference).norm()
        if bool((rest <= _EXACT * removed.norm()) & (removed.norm() > 0) & length.isfinite()):
            return difference, reads * length, mean
    raise DataError(f"{name}: both classes have the same mean, so there is nothing to erase.")


def _eraser(package: Any, moments: ClassMoments, shrinkage: bool) -> Any:
    positive, negative = moments.positive, moments.negative
    both = positive.merge(negative)
    # The lower limit on what counts as a correlation is for concepts of several dimensions, which
    # may be collinear; it would leave a faint property in without a word.
    fitter = package.LeaceFitter(
        len(both.mean),
        1,
        dtype=torch.float64,
        shrinkage=shrinkage,
        svd_tol=1e-300,
        constrain_cov_trace=False,
    )
    # Its own streamed statistics, of activations and of labels that are 1 and 0. Covariances are
    # brought to a size of 1, because its shrinkage holds an absolute number; the map is the same.
    size = (both.scatter.trace() / both.count).sqrt()
    fitter.n = torch.tensor(both.count)
    fitter.mean_x = both.mean / size
    fitter.mean_z = torch.tensor([positive.count / both.count], dtype=torch.float64)
    fitter.sigma_xx_ = both.scatter / size**2
    between = positive.count * negative.count / both.count
    fitter.sigma_xz_ = (between * (positive.mean - negative.mean) / size)[:, None]
    return fitter.eraser


def _concept_erasure() -> Any:
    try:
        with warnings.catch_warnings():
            # It compiles a function in a way that newer versions of torch call deprecated.
            warnings.filterwarnings("ignore", r"`torch\.jit\.script`", DeprecationWarning)
            import concept_erasure
    except ImportError as error:
        raise SteerError(
            f"LEACE needs the package concept-erasure: {to_install('concept-erasure')}."
        ) from error
    return concept_erasure
