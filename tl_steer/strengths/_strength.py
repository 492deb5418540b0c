"""What a strength can be, and how it becomes a number for each token."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from tl_steer.arguments import Words
from tl_steer.arguments.whose import is_ours
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.lens.context import Context
from tl_steer.shapes import Acts, TokenStrengths

StrengthFunction = Callable[[Acts, Context], TokenStrengths]
"""From the activations that are about to be changed, and the pass, to a strength for each token.

It may have ``reads``, the hook names that it asks :meth:`Context.read` for, and
``check_fits(model, hook_name)``, to refuse models that it was not made for.
"""

Strength = Annotated[
    float | Sequence[float] | Tensor | StrengthFunction,
    Words(
        "a strength",
        "strengths",
        "A strength is a number, one for each row of a batch, or a function of the activations and "
        "the context.",
    ),
]
"""A number, one for each row of a batch, or a function of what the model is doing."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A strength that is known beforehand: one number, or one for each row."""

    values: Tensor
    """``Float[Tensor, ""]`` or ``Float[Tensor, "row"]``, float32, on the CPU."""

    @property
    def n_rows(self) -> int | None:
        """How many rows; ``None`` when one number serves all."""
        return len(self.values) if self.values.ndim else None

    @property
    def is_zero(self) -> bool:
        """Whether nothing would happen."""
        return not bool(self.values.any())


def as_strength(strength: Any, *, hook_name: str) -> Numbers | StrengthFunction:
    """Return functions as they are; check numbers.

    Raises:
        SteerError: If it is neither.
        MismatchError: For no number, or numbers in two dimensions.
        NonFiniteError: For NaN or infinity.
    """
    if callable(strength):
        function: StrengthFunction = strength
        return function
    if isinstance(strength, Tensor) and (strength.is_complex() or strength.dtype == torch.bool):
        raise SteerError(f"{hook_name}: expected a strength, got {strength.dtype}. Give numbers.")
    try:
        values = torch.as_tensor(strength, dtype=torch.float32).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise SteerError(
            f"{hook_name}: expected a strength, got {strength!r}. Give a number, one for each row, "
            "or a function of the activations and the context."
        ) from error
    if values.ndim > 1 or values.numel() == 0:
        raise MismatchError(
            f"{hook_name}: expected one number as the strength, or one for each row; got "
            f"{strength!r}."
        )
    if not bool(torch.isfinite(values).all()):
        raise NonFiniteError(f"{hook_name}: strength {strength!r} is not finite.")
    return Numbers(values)


def rows_of(strength: Any) -> int | None:
    """How many rows a strength is made for; ``None`` when it serves any batch."""
    if callable(strength):
        return getattr(strength, "n_rows", None)
    numbers: Any = as_strength(strength, hook_name="strength")
    count: int | None = numbers.n_rows
    return count


def chosen_rows(strength: Any, index: Sequence[int]) -> Any:
    """Keep the strengths of some rows, in the order asked for."""
    n_rows = rows_of(strength)
    if n_rows is None:
        return strength
    require_rows(index, n_rows)
    if callable(strength):
        return strength.rows(index)
    return torch.as_tensor(strength)[list(index)]


def require_rows(index: Sequence[int], n_rows: int) -> None:
    """Refuse rows without settings.

    Raises:
        MismatchError: With their numbers.
    """
    if not all(0 <= row < n_rows for row in index):
        raise MismatchError(
            f"Got rows {list(index)[:8]}, but there are settings only for rows 0 to {n_rows - 1}."
        )


def evaluated(strength: Any, acts: Acts, context: Context, *, hook_name: str) -> TokenStrengths:
    """Call a strength function and check its result.

    A user's own is given a copy of the activations, and may say nothing that is not finite.

    Raises:
        SteerError: For another shape.
        NonFiniteError: With the token.
    """
    ours = is_ours(strength)
    found = strength(acts if ours else acts.clone(), context)
    if not isinstance(found, Tensor) or found.shape != acts.shape[:2]:
        came = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise SteerError(
            f"{hook_name}: the strength {strength!r} returned {came}. Return a tensor of shape "
            f"{tuple(acts.shape[:2])} (batch, position)."
        )
    numbers = torch.where(context.real, found.float(), 0.0)
    if not ours and not bool(numbers.isfinite().all()):
        row, token = (~numbers.isfinite()).nonzero()[0].tolist()
        value = numbers[row, token].item()
        raise NonFiniteError(
            f"{hook_name}: the strength {strength!r} is {value} at position "
            f"{int(context.positions[row, token])} of row {row}. Make it finite at every token; "
            "generated_index is negative in the prompt, and 0 at the first generated token."
        )
    return numbers
