"""One scale and one sign for estimators that give neither: strength 1 closes the classes' gap."""

from tl_steer.errors import DataError
from tl_steer.shapes import Vector

_NO_GAP = 1e-9


def part_along(weights: Vector, difference: Vector, *, hook_name: str) -> Vector:
    """Compute ``v = ŵ ŵᵀ Δ``, the part of the mean difference that lies along ``w``.

    Strength 1 then moves the mean of one class onto the other's as far as ``w`` can see, and the
    direction points from the negative class to the positive one, whatever length and sign ``w``
    came with. Of several estimators at one hook point, ``‖v‖ / ‖Δ‖`` is the cosine to the mean
    difference; compare their effects at equal dose (``Direction.strength_for``).

    Args:
        weights: ``w``, of any length and sign; flat.
        difference: ``Δ = mean(h₊) − mean(h₋)``; flat, in the same type.
        hook_name: For the message.

    Raises:
        DataError: When ``w`` is zero, or the class means do not differ along it.
    """
    largest = weights.abs().max()
    if not bool(largest > 0):
        raise DataError(f"{hook_name}: nothing tells the classes apart; all weights are zero.")
    # Divided twice, so that no square of a tiny or huge weight is lost.
    scaled = weights / largest
    unit = scaled / scaled.norm()
    gap = unit @ difference
    if not bool(gap.abs() > _NO_GAP * difference.norm()):
        raise DataError(
            f"{hook_name}: both classes have the same mean along the direction found, so it has "
            "neither sign nor size. Do the labels fit the texts?"
        )
    along: Vector = gap * unit
    return along
