"""Logistic probe: the weights of a logistic regression that tells the classes apart."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tl_steer.activations import Activations
from tl_steer.arguments import Range, checked
from tl_steer.directions._directions import Directions
from tl_steer.directions._measured import measured
from tl_steer.directions._requirements import require_contrast
from tl_steer.directions._scaling import part_along
from tl_steer.shapes import Vector

Numbers = NDArray[np.float64]
Inverse = Annotated[float, Range("over 0 (1 is usual, less is more regular)", over=0)]


@checked
def logistic_probe(
    activations: Activations, *, c: Inverse = 1.0, standardised: bool = False
) -> Directions:
    """Compute the direction that best tells the classes apart, by logistic regression.

    With labels ``yᵢ = ±1``, centred activations ``xᵢ``, ``Δ = mean(h₊) − mean(h₋)`` and ``S`` a
    scale::

        w = S⁻¹ argmin_u  ½ ‖u‖² + c Σᵢ log(1 + exp(−yᵢ (uᵀ S⁻¹ xᵢ + b)))          v = ŵ ŵᵀ Δ

    The probe of Alain and Bengio (2016, https://arxiv.org/abs/1610.01644), fitted by scikit-learn,
    with its weights in activation units and scaled to the part of ``Δ`` that lies along them:
    strength 1 moves the one mean onto the other along this direction. It detects well, and often
    steers less than the mean difference.

    Args:
        activations: Of a contrast set; vectors.
        c: Strength of the data against the penalty; smaller is more regular. The smaller, the
            nearer to the mean difference.
        standardised: ``S`` is one number for all dimensions, their root-mean-square standard
            deviation, so that ``c`` means the same at every hook point; or, standardised, each
            dimension's own, so that dimensions which vary little weigh more.

    Returns:
        One direction a hook point, pointing from the negative class to the positive one.

    Raises:
        SteerError: For a ``c`` that is not positive and finite.
        DataError: For texts without classes, fewer than two of a class, moments without vectors,
            activations that are all the same, or classes of equal means.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
        sklearn.exceptions.ConvergenceWarning: Where the fit was ended early.
    """
    require_contrast(activations, at_least=2, method="a logistic probe")
    vectors = {name: _vector(activations, name, c, standardised) for name in activations.hook_names}
    each = ", standardised" if standardised else ""
    return measured(activations, vectors, f"logistic probe (c {c:g}{each})")


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted logistic regression, in activation units."""

    weights: Numbers
    """Of each dimension."""

    bias: float

    def scores(self, examples: Numbers) -> Numbers:
        """Log-odds of the positive class, for ``example d``."""
        return examples @ self.weights + self.bias


def fitted_probe(
    examples: Numbers, positive: NDArray[np.bool_], *, c: float = 1.0, standardised: bool = False
) -> Probe:
    """Fit a probe to ``example d``; see :func:`logistic_probe`."""
    mean, spread = examples.mean(0), examples.std(0)
    if not standardised:
        spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
    # A dimension that never varies has no standard deviation, and gets no weight.
    scale = np.where(spread > 0, spread, 1.0)
    # The tolerance decides how far the result depends on the order of the texts.
    regression = LogisticRegression(C=c, tol=1e-7, max_iter=5000)
    regression.fit((examples - mean) / scale, positive)
    weights = regression.coef_[0] / scale
    return Probe(weights, float(regression.intercept_[0] - mean @ weights))


def _vector(activations: Activations, name: str, c: float, standardised: bool) -> Vector:
    examples = activations[name].flatten(1).double().numpy()
    positive = activations.classes(name).numpy()
    probe = fitted_probe(examples, positive, c=c, standardised=standardised)
    high, low = activations.means(name)
    return part_along(torch.from_numpy(probe.weights), high - low, hook_name=name)
