"""Class means: points for affine edits and replacements to go to."""

from importlib.metadata import version

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._direction import Direction
from tl_steer.directions._directions import Directions
from tl_steer.directions._provenance import Provenance
from tl_steer.directions._requirements import require_finite
from tl_steer.errors import DataError


@checked
def positive_mean(activations: Activations) -> Directions:
    """Compute ``μ₊ = mean(h₊)``, the mean of the texts that have the property.

    A point, not a difference: use it with ``AffineEdit``, ``ScaleAlong`` or ``Replace``, and do not
    add it. Means are taken in float64.

    Args:
        activations: Of a contrast set; vectors or moments.

    Returns:
        One vector a hook point, in activation units.

    Raises:
        DataError: For texts without classes, or a class without examples.
        NonFiniteError: For NaN or infinity.
    """
    return _means(activations, positive=True)


@checked
def negative_mean(activations: Activations) -> Directions:
    """Compute ``μ₋ = mean(h₋)``, the mean of the texts that lack the property.

    As :func:`positive_mean`.

    Args:
        activations: Of a contrast set; vectors or moments.

    Returns:
        One vector a hook point, in activation units.

    Raises:
        DataError: For texts without classes, or a class without examples.
        NonFiniteError: For NaN or infinity.
    """
    return _means(activations, positive=False)


def _means(activations: Activations, *, positive: bool) -> Directions:
    return Directions({name: _mean(activations, name, positive) for name in activations.hook_names})


def _mean(activations: Activations, name: str, positive: bool) -> Direction:
    which = "positive" if positive else "negative"
    counts = activations.counts(name)
    if not counts[0 if positive else 1]:
        raise DataError(f"{name}: there are no {which} examples to average.")
    require_finite(activations, name)
    mean = activations.means(name)[0 if positive else 1]
    origin = Provenance(
        model=activations.model,
        method=f"{which} mean",
        data=activations.data,
        n_positive=counts[0] if positive else 0,
        n_negative=0 if positive else counts[1],
        read=activations.read,
        left_out=activations.left_out_in_words(),
        version=version("tl_steer"),
    )
    # Not by `measured`, which warns where one dimension makes up most: of means that is usual.
    vector = mean.float().view(activations.site_shapes[name])
    return Direction(vector, name, activations.norms[name], origin)
