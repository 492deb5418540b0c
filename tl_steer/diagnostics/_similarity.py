"""How alike directions are: between layers, and between estimators."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tl_steer.arguments import checked
from tl_steer.directions import Direction, Directions
from tl_steer.errors import DataError


@checked
def between_layers(directions: Directions) -> pd.DataFrame:
    """Cosines between the directions of all hook points.

    Neighbouring layers of the residual stream are alike because each adds little to it; where the
    cosine drops, something else is being computed.

    Returns:
        A square frame, hook names both ways; NaN between directions of unequal width.

    Raises:
        DataError: For no directions.
        NonFiniteError: For a zero direction.
    """
    return _cosines(list(directions), list(directions.values()))


@checked
def between_estimators(estimates: Mapping[str, Directions], *, at: str) -> pd.DataFrame:
    """Cosines between what several estimators found at one hook point.

    Args:
        estimates: By the name that is to be shown.
        at: A hook name that all of them have.

    Returns:
        A square frame, the names both ways.

    Raises:
        DataError: For no estimates.
        HookNameError: When one of them has no direction there.
        NonFiniteError: For a zero direction.
    """
    return _cosines(list(estimates), [directions[at] for directions in estimates.values()])


def _cosines(names: Sequence[str], directions: Sequence[Direction]) -> pd.DataFrame:
    if not directions:
        raise DataError("Expected at least one direction, got none.")
    return pd.DataFrame(
        [[_cosine(one, other) for other in directions] for one in directions],
        index=list(names),
        columns=list(names),
    )


def _cosine(one: Direction, other: Direction) -> float:
    same = one.vector.shape == other.vector.shape
    return one.cosine(other) if same else float("nan")
