"""Mean difference: the mean of one class minus the mean of the other."""

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._directions import Directions
from tl_steer.directions._measured import measured
from tl_steer.directions._requirements import require_contrast
from tl_steer.shapes import Vector


@checked
def mean_difference(activations: Activations) -> Directions:
    """Compute ``v = mean(h₊) − mean(h₋)`` at every hook point that was captured.

    The estimator of Marks and Tegmark (2023, https://arxiv.org/abs/2310.06824) and of contrastive
    activation addition (Rimsky et al. 2024, https://arxiv.org/abs/2312.06681). Means are taken in
    float64.

    Args:
        activations: Of a contrast set; vectors or moments.

    Returns:
        One direction a hook point, pointing from the negative class to the positive one; strength 1
        moves the one mean onto the other.

    Raises:
        DataError: For activations of texts without classes, or that are all the same.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    require_contrast(activations, at_least=1, method="a mean difference")
    return measured(activations, differences(activations), "mean difference")


def differences(activations: Activations) -> dict[str, Vector]:
    """Difference of the class means at every hook point, in float64, flat."""
    means = {name: activations.means(name) for name in activations.hook_names}
    return {name: positive - negative for name, (positive, negative) in means.items()}
