"""Strengths multiplied."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from tl_steer.arguments import checked
from tl_steer.errors import MismatchError, SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.shapes import Acts, TokenStrengths
from tl_steer.strengths._strength import (
    Numbers,
    Strength,
    StrengthFunction,
    as_strength,
    chosen_rows,
    evaluated,
    rows_of,
)


@checked
@dataclass(frozen=True, eq=False)
class Multiply:
    """Several strengths multiplied: ``α = α₁ · α₂ · …``.

    ``Multiply([1.0, 2.0, 4.0], ExponentialDecay(8))`` is a fading strength for each of three rows;
    ``Multiply(2.0, WarmUp(4), Dose(joy, 0.1))`` works too.

    Raises:
        SteerError: For no factor, or one that is not a strength.
        NonFiniteError: For a number that is NaN or infinite.
        MismatchError: For factors of different numbers of rows.
    """

    factors: tuple[Strength, ...]
    """Numbers, numbers for rows, and functions of the pass."""

    def __init__(self, *factors: Strength) -> None:
        """Take strengths of any kind."""
        if not factors:
            raise SteerError("Multiply() needs at least one strength.")
        object.__setattr__(self, "factors", factors)
        _ = self._prepared
        counts = {rows_of(each) for each in factors} - {None}
        if len(counts) > 1:
            raise MismatchError(
                f"Strengths for {' and '.join(map(str, counts))} rows cannot be multiplied. Give "
                "as many of each."
            )

    @property
    def n_rows(self) -> int | None:
        """How many rows it is made for; ``None`` when it serves any batch."""
        return next((n for n in map(rows_of, self.factors) if n is not None), None)

    def rows(self, index: Sequence[int]) -> "Multiply":
        """Keep the factors of some rows, in the order asked for."""
        return Multiply(*(chosen_rows(each, index) for each in self.factors))

    @cached_property
    def _prepared(self) -> list[OnDevice | StrengthFunction]:
        checked = [as_strength(each, hook_name="Multiply") for each in self.factors]
        return [
            OnDevice(each.values.view(-1, 1)) if isinstance(each, Numbers) else each
            for each in checked
        ]

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Multiply the factors for each token."""
        product = torch.ones(acts.shape[:2], device=acts.device)
        for factor in self._prepared:
            if isinstance(factor, OnDevice):
                (numbers,) = factor(acts)
                product = product * numbers
            else:
                product = product * evaluated(factor, acts, context, hook_name="Multiply")
        return product
