"""From estimated vectors to directions: what every estimator does last."""

import math
import warnings
from collections.abc import Mapping
from importlib.metadata import version

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._direction import Direction
from tl_steer.directions._directions import Directions
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import DataError, MismatchError
from tl_steer.shapes import Vector

_DOMINATED = 0.5


class DominatedDirectionWarning(UserWarning):
    """One dimension makes up most of a direction, as massive activations do."""


@checked
def measured(activations: Activations, vectors: Mapping[str, Vector], method: str) -> Directions:
    """Put vectors that were estimated from activations together with where they came from.

    Args:
        activations: What they were estimated from.
        vectors: By hook name, in activation units; any float type, flat or in the site's shape.
        method: Name of the estimator.

    Raises:
        HookNameError: For a hook point that was not captured.
        MismatchError: For a vector of another size than what was captured there.
        DataError: For the zero vector.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    for name, vector in vectors.items():
        _ = activations.counts(name)  # refuses a hook point that was not captured
        shape = activations.site_shapes[name]
        if vector.numel() != math.prod(shape):
            raise MismatchError(
                f"{name}: expected a vector of {math.prod(shape)} numbers, got one of "
                f"{vector.numel()}."
            )
        if not bool(vector.any()):
            raise DataError(f"{name}: {method} found the zero vector; the classes are alike there.")
    directions = {
        name: _direction(activations, name, vector, method) for name, vector in vectors.items()
    }
    _warn_if_dominated(directions)
    return Directions(directions)


def _direction(activations: Activations, name: str, vector: Vector, method: str) -> Direction:
    n_positive, n_negative = activations.counts(name)
    return Direction(
        vector.float().view(activations.site_shapes[name]),
        name,
        activations.norms[name],
        Provenance(
            model=activations.model,
            method=method,
            data=activations.data,
            n_positive=n_positive,
            n_negative=n_negative,
            read=activations.read,
            left_out=activations.left_out_in_words(),
            version=version("tl_steer"),
        ),
    )


def _warn_if_dominated(directions: Mapping[str, Direction]) -> None:
    """Warn of directions that are little more than one dimension."""
    found = []
    for name, direction in directions.items():
        shares = direction.vector.flatten() ** 2 / max(direction.norm**2, 1e-30)
        if direction.vector.numel() > 2 and float(shares.max()) > _DOMINATED:
            found.append(f"{name} (dimension {int(shares.argmax())}: {float(shares.max()):.0%})")
    if found:
        warnings.warn(
            "one dimension makes up most of the direction at "
            + ", ".join(found)
            + ". Attention sinks do that; leave_out=LeaveOut(massive=…) can be made stricter.",
            DominatedDirectionWarning,
            stacklevel=4,
        )
