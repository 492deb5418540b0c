"""Who takes down what happens while text is written."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from tl_steer.steering import Watch


class Recording(Watch, Protocol):
    """Takes down one batch; nothing of it may wait for the device."""

    def reads(self, columns: int) -> None:
        """The passes from now on are about so many columns more; earlier ones may come again."""
        ...

    def select(self, index: Sequence[int]) -> None:
        """Rows go on from some rows of the last pass; one may go on several times."""
        ...

    def leave_all_but(self, index: Sequence[int]) -> None:
        """Only some of the rows of the last pass go on; the others have ended."""
        ...

    def draws(self, logits: Tensor) -> None:
        """A token of every row is drawn, from ``Float[Tensor, "batch d_vocab"]``."""
        ...

    def rows(self, count: int) -> list[Any]:
        """What was taken down, for each of so many rows."""
        ...


@runtime_checkable
class Recorder(Protocol):
    """Begins a recording for each batch."""

    @property
    def at(self) -> tuple[str, ...]:
        """Hook names at which it looks."""
        ...

    def begin(self) -> Recording:
        """Begin one."""
        ...
