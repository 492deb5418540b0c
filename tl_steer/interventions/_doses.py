"""How much in units of the activations: doses to strengths, and a word where one is too large."""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

from torch import Tensor

from tl_steer.arguments import Words
from tl_steer.directions import Direction
from tl_steer.errors import LargeDoseWarning, MismatchError
from tl_steer.lens.hook_names import site_of
from tl_steer.strengths import as_strength

Doses = Annotated[
    float | Sequence[float] | Tensor,
    Words(
        "a dose, which is a number, or one for each row",
        "doses",
        "Dose(direction, 0.2) as the strength is a dose of each token's own norm.",
    ),
]

LARGE = 0.4
"""Of the residual stream's norm; on the packaged model, text has twice its perplexity there."""


def strengths_for(directions: Sequence[Direction], dose: Doses) -> float | list[float]:
    """Return the strengths at which additions have a dose: one number, or one for each row.

    Args:
        directions: One for all rows, or one for each.
        dose: ``‖αv‖ / ‖h‖``; one number or one for each row; below zero, against the direction.

    Raises:
        MismatchError: For directions and doses of different numbers of rows.
        NonFiniteError: For NaN or infinity, a zero direction, and one without a scale.
    """
    name = directions[0].hook_name
    numbers: Any = as_strength(dose, hook_name=f"{name}, dose")
    if numbers.n_rows is None and len(directions) == 1:
        one: Any = dose
        return directions[0].strength_for(dose=float(one))
    doses = numbers.values.flatten().tolist()
    if len(directions) == 1:
        return [directions[0].strength_for(dose=each) for each in doses]
    if numbers.n_rows not in (None, len(directions)):
        raise MismatchError(
            f"Got {len(directions)} directions and {numbers.n_rows} doses. Give one of each for "
            "every row."
        )
    doses *= len(directions) // len(doses)
    return [d.strength_for(dose=each) for d, each in zip(directions, doses, strict=True)]


def warn_if_large(dose: float, hook_name: str) -> None:
    """Warn of a dose that text rarely survives; what other sites bear is not known.

    Warns:
        LargeDoseWarning: With the number.
    """
    if dose > LARGE * (1 + 1e-4) and site_of(hook_name).startswith("hook_resid"):
        warnings.warn(
            f"{hook_name}: dose {dose:.2g} adds {dose:.2g} times the activations' norm. Text "
            f"usually breaks above about {LARGE}; 0.1 to 0.3 is usual.",
            LargeDoseWarning,
            stacklevel=_level_of_the_caller(),
        )


def _level_of_the_caller() -> int:
    """How far up the stack the code stands that is not ours, seen from who asks."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tl_steer"):
        frame, level = frame.f_back, level + 1
    return level
