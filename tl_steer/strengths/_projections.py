"""How far the means of two classes lie along a direction."""

from tl_steer.activations import Activations
from tl_steer.directions import Direction, require_contrast
from tl_steer.errors import MismatchError


def class_means_along(direction: Direction, activations: Activations) -> tuple[float, float]:
    """Compute ``v̂ᵀμ₊`` and ``v̂ᵀμ₋`` at the hook point of a direction, in float64.

    Raises:
        HookNameError: When that hook point was not captured.
        MismatchError: For activations of another model, or another shape.
        DataError: For texts without classes.
        NonFiniteError: For NaN or infinity.
    """
    name = direction.hook_name
    differs = direction.provenance.model.difference(activations.model)
    if differs:
        raise MismatchError(
            f"{name}: the direction and the activations are of different models ({differs})."
        )
    positive, negative = activations.means(name)
    if positive.numel() != direction.vector.numel():
        raise MismatchError(
            f"{name}: the direction has {direction.vector.numel()} numbers, the activations have "
            f"{positive.numel()}."
        )
    require_contrast(activations, at_least=1, method="a strength from class means")
    unit = direction.unit.vector.flatten().double()
    return float(unit @ positive), float(unit @ negative)
