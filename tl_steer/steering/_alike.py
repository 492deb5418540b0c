"""Whether rows of a batch have the same settings, so that they may change places."""

from collections.abc import Sequence
from typing import Any

from tl_steer.interventions import Add, Intervention, n_rows, wrapped
from tl_steer.strengths import Numbers, as_strength


def rows_are_alike(intervention: Intervention, index: Sequence[int]) -> bool:
    """Tell whether each row has the settings of the row that it goes on from.

    Known of additions by numbers; of anything else that has settings per row it is not.

    Args:
        intervention: With settings for each row, or for all.
        index: For each row, the one that it goes on from.
    """
    if n_rows(intervention) is None:
        return True
    # Those that wrap another one have its rows.
    inner: Any = intervention
    while wrapped(inner) is not None:
        inner = wrapped(inner)
    if not isinstance(inner, Add):
        return False
    strength = as_strength(inner.strength, hook_name=inner.hook_name)
    if not isinstance(strength, Numbers):
        return False
    several = len(inner.directions) > 1
    same = (not several) or all(
        inner.directions[row] is inner.directions[other] for row, other in enumerate(index)
    )
    return same and (
        strength.n_rows is None or bool((strength.values == strength.values[list(index)]).all())
    )
