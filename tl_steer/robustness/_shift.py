"""A vector of its own for each row, through which gradients pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from tl_steer.errors import MismatchError
from tl_steer.interventions import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Examples


@dataclass(frozen=True, eq=False)
class Shift:
    """Add a vector to each row: ``h' = h + r``.

    ``Add`` does the same to the last bit, of directions, which are at rest.
    """

    vectors: Examples
    """``r``, one for each row, in the activation's units."""

    at: str
    scope: Scope | slice = field(default=everywhere, kw_only=True)
    strength: float = field(default=1.0, init=False)

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.at

    @property
    def n_rows(self) -> int:
        """How many rows it is made for."""
        return len(self.vectors)

    def rows(self, index: Sequence[int]) -> "Shift":
        """Keep some rows, in the order asked for."""
        return replace(self, vectors=self.vectors[list(index)])

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse another shape than the hook point's.

        Raises:
            MismatchError: With both shapes.
        """
        came, wanted = tuple(self.vectors.shape[1:]), site_shape(model, self.at)
        if came != wanted:
            raise MismatchError(f"{self.at} has {wanted} numbers a token; got vectors of {came}.")

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + r``."""

        def shift(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            return acts + self.vectors[:, None].to(acts)

        return shift
