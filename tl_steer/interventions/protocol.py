"""What an intervention is."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes.positions import Scope

Edit = Callable[[Tensor], Tensor]
"""From activations ``Float[Tensor, "batch pos *site"]`` to the same shape and dtype."""


@runtime_checkable
class Intervention(Protocol):
    """A change of the activations at one hook point, for the tokens of one scope."""

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        ...

    @property
    def scope(self) -> Scope | slice:
        """Which tokens it touches; a plain slice means absolute positions."""
        ...

    @property
    def n_rows(self) -> int | None:
        """How many rows it is made for; ``None`` when one setting serves all rows."""
        ...

    def rows(self, index: Sequence[int]) -> "Intervention":
        """Keep the settings of some rows, in the order asked for."""
        ...

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that it was not made for, before the model runs."""
        ...

    def edit(self) -> Edit | None:
        """Prepare the map for a forward pass; ``None`` when it would change nothing."""
        ...
