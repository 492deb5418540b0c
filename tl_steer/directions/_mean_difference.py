"""Mean difference: the mean of one class minus the mean of the other."""

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._directions import Directions
from tl_steer.directions._measured import measured
from tl_steer.directions._paired_difference import require_pairs
from tl_steer.directions._requirements import require_contrast
from tl_steer.shapes import Vector


@checked
def mean_difference(activations: Activations, *, paired: bool = False) -> Directions:
    """Compute ``v = mean(h₊) − mean(h₋)`` at every hook point that was captured.

    The estimator of Marks and Tegmark (2023, https://arxiv.org/abs/2310.06824) and of contrastive
    activation addition (Rimsky et al. 2024, https://arxiv.org/abs/2312.06681). Means are taken in
    float64.

    With ``paired=True``, ``v`` is the mean over pairs of ``(h₊ − h₋)``: contrastive activation
    addition, read at the answer, ``capture(…, read=AnswerToken())``. The vector is the
    same as without; the texts are then required to be pairs. For how far the pairs agree, see
    :func:`~tl_steer.directions.paired_differences`.

    Args:
        activations: Of a contrast set; vectors or moments.
        paired: Whether to require pairs, with one vector each.

    Returns:
        One direction a hook point, pointing from the negative class to the positive one; strength 1
        moves the one mean onto the other.

    Raises:
        DataError: For activations of texts without classes, or that are all the same; with
            ``paired``, for texts that are not paired or gave several vectors each.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: If one dimension holds more than half of a squared norm.
    """
    method = "paired mean difference" if paired else "mean difference"
    require_contrast(activations, at_least=1, method=f"a {method}")
    if paired:
        for name in activations.hook_names:
            require_pairs(activations, name)
    return measured(activations, differences(activations), method)


def differences(activations: Activations) -> dict[str, Vector]:
    """Difference of the class means at every hook point, in float64, flat."""
    means = {name: activations.means(name) for name in activations.hook_names}
    return {name: positive - negative for name, (positive, negative) in means.items()}
