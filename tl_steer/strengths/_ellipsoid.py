"""Where activations usually are: an ellipsoid in the space of their main axes."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.stats import chi2
from sklearn.decomposition import PCA
from torch import Tensor

from tl_steer.activations import Activations, Moments
from tl_steer.arguments import Confidence, checked
from tl_steer.directions import require_finite
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.protocol import ModelInfo
from tl_steer.shapes import Examples

_SINGULAR = 1e-10


class AveragesWarning(UserWarning):
    """An ellipsoid of averages over tokens is too small for single tokens."""


@checked
@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """Where activations of a hook point usually are: an ellipsoid in the space of their main axes.

    A point ``h`` is inside when ``‖A (h − μ)‖² ≤ r²``. ``A`` projects on the principal components
    and whitens there, so that the left side is the squared Mahalanobis distance, of which a normal
    distribution has the share ``level`` below the quantile ``r²`` of a chi-square distribution with
    as many degrees of freedom as there are components.
    """

    hook_name: str
    """Where the activations were read."""

    mean: Float[Tensor, " d"]
    """``μ``, float64; sites with several axes are flattened."""

    whitening: Float[Tensor, "component d"]
    """``A``, float64."""

    level: Confidence
    """Share of a normal distribution that is inside."""

    model: ModelInfo
    """Whose activations they are."""

    def __post_init__(self) -> None:
        """Refuse parts that do not belong together."""
        if not len(self.whitening) or self.whitening.shape[1] != len(self.mean):
            raise MismatchError(
                f"{self.hook_name}: the whitening has shape {tuple(self.whitening.shape)} and the "
                f"mean {len(self.mean)} numbers; give as many columns as numbers."
            )
        if not bool(self.mean.isfinite().all() and self.whitening.isfinite().all()):
            raise NonFiniteError(f"{self.hook_name}: an ellipsoid holds NaN or infinity.")

    @classmethod
    def fit(
        cls,
        activations: Activations,
        hook_name: str,
        *,
        components: float = 0.4,
        level: Confidence = 0.95,
        positive: bool = True,
        negative: bool = False,
    ) -> "Ellipsoid":
        """Fit an ellipsoid to the activations of one class, or of both.

        The principal components are those of all texts; mean and covariance in their space are
        those of the texts asked for. The cap is asked about single tokens: capture them with
        ``read=EveryToken()``, or ``LastToken()`` as in the paper. Averages over tokens vary less,
        and hardly any token would be inside.

        Args:
            activations: Vectors, or moments of two classes; texts without classes are all used.
            hook_name: Where to fit.
            components: How many principal components, or the share of the variance that they are to
                hold, between 0 and 1. A third to two fifths is what the paper finds best.
            level: Share of a normal distribution that is to be inside.
            positive: Whether the positive texts are to be inside.
            negative: Whether the negative ones are.

        Raises:
            HookNameError: For a hook point that was not captured.
            SteerError: For a number of components or a level that cannot be.
            DataError: For fewer texts than it takes, or activations that do not vary.
            NonFiniteError: For NaN or infinity.

        Warns:
            AveragesWarning: For activations that are averages over tokens.
        """
        if not (0 < components < 1 or (components >= 1 and components == int(components))):
            raise SteerError(
                f"components={components}: expected a whole number of at least 1, or a share of "
                "the variance between 0 and 1."
            )
        if not (positive or negative):
            raise SteerError("Expected one class or both for the ellipsoid, got neither.")
        _warn_of_averages(activations)
        everything, target = _moments(activations, hook_name, positive, negative)
        axes = _axes(activations, hook_name, everything, components)
        if target.count <= len(axes):
            raise DataError(
                f"{hook_name}: {target.count} vectors are too few for an ellipsoid of {len(axes)} "
                "dimensions. Capture several times as many, or ask for fewer components."
            )
        covariance = axes @ target.covariance @ axes.T
        sizes = torch.linalg.eigvalsh(covariance)
        if not bool(sizes[0] > _SINGULAR * sizes[-1]):
            raise DataError(
                f"{hook_name}: the activations do not vary along all {len(axes)} components. Ask "
                "for fewer, or capture more texts."
            )
        root = torch.linalg.cholesky(covariance)
        whitening = torch.linalg.solve_triangular(root, axes, upper=False)
        return cls(hook_name, target.mean, whitening, level, activations.model)

    @property
    def components(self) -> int:
        """How many principal components it looks at."""
        return len(self.whitening)

    @cached_property
    def limit(self) -> float:
        """``r²``, the largest squared Mahalanobis distance inside."""
        return float(chi2.ppf(self.level, self.components))

    def squared_distance(self, vectors: Examples) -> Float[Tensor, " example"]:
        """Compute ``‖A (h − μ)‖²`` of vectors, in float64.

        Raises:
            MismatchError: For vectors of another width.
        """
        if prod(vectors.shape[1:]) != len(self.mean):
            raise MismatchError(
                f"{self.hook_name}: expected vectors of {len(self.mean)} numbers, got shape "
                f"{tuple(vectors.shape)}."
            )
        whitened = (vectors.detach().cpu().flatten(1).double() - self.mean) @ self.whitening.T
        return whitened.square().sum(-1)

    def __repr__(self) -> str:
        """One line: where, how large."""
        return (
            f"Ellipsoid(at {self.hook_name}, {self.components} components, level {self.level:g}, "
            f"{self.model.name})"
        )


def _moments(
    activations: Activations, name: str, positive: bool, negative: bool
) -> tuple[Moments, Moments]:
    """Of all texts, and of those that are to be inside."""
    require_finite(activations, name)
    if activations.is_positive is None:
        everything = Moments.of(activations[name])
        return everything, everything
    counts = activations.counts(name)
    if not (counts[0] and positive) and not (counts[1] and negative):
        raise DataError(f"{name}: there is no text of the class that should be inside.")
    if not all(counts):
        everything = Moments.of(activations[name])
        return everything, everything
    both = activations.moments(name)
    everything = both.positive.merge(both.negative)
    if positive and negative:
        return everything, everything
    return everything, both.positive if positive else both.negative


def _axes(
    activations: Activations, name: str, everything: Moments, components: float
) -> Float[Tensor, "component d"]:
    asked = int(components) if components >= 1 else components
    most = min(everything.count - 1, len(everything.mean))
    if asked > most:
        raise DataError(
            f"{name}: {everything.count} vectors of {len(everything.mean)} numbers have {most} "
            f"principal components, but {asked} were asked for."
        )
    if not bool(everything.scatter.diagonal().sum() > 0):
        raise DataError(
            f"{name}: the activations are all the same, so they have no principal axes."
        )
    if everything.count < len(everything.mean) and not activations.kept_moments:
        # Cheaper than from the covariance. Of the solvers, "full" has no chance in it.
        fitted = PCA(n_components=asked, svd_solver="full").fit(
            activations[name].flatten(1).double().numpy()
        )
        return torch.from_numpy(fitted.components_)
    sizes, axes = eigh(everything.scatter.numpy())
    shares = torch.from_numpy(sizes[::-1].copy()).clamp(min=0).cumsum(0)
    kept = asked if components >= 1 else 1 + int((shares / shares[-1] <= components).sum())
    return torch.from_numpy(axes[:, ::-1][:, : int(kept)].T.copy())


def _warn_of_averages(activations: Activations) -> None:
    if activations.read.startswith("MeanOfTokens"):
        warnings.warn(
            "These activations are averages over tokens, which vary less than single tokens: most "
            "tokens would fall outside their ellipsoid and get no strength. Capture with "
            "read=EveryToken().",
            AveragesWarning,
            stacklevel=3,
        )
