"""What somebody sees who watches a steering: what stands at hook points, and what is changed."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Change:
    """What one intervention did in one pass; nothing of it is to be kept as it is."""

    before: Tensor
    """``Float[Tensor, "batch pos *site"]``; attention scores come as ``batch query head key``."""

    after: Tensor

    strength: Tensor
    """Float32, for each token; its two axes may be 1, where one serves all."""

    chosen: Tensor | None
    """``Bool[Tensor, "batch pos"]``: the tokens that it may change; ``None`` for all."""


@runtime_checkable
class Watch(Protocol):
    """Who is told, in every pass, of what stands at some hook points."""

    @property
    def at(self) -> tuple[str, ...]:
        """Hook names at which it looks; what acts anywhere is shown as well."""
        ...

    def stands(self, names: tuple[str, ...], acts: Tensor) -> None:
        """Before anything acts there.

        Args:
            names: Those of :attr:`at` that mean this hook point.
            acts: ``Float[Tensor, "batch pos *site"]``.
        """
        ...

    def changed(self, names: tuple[str, ...], intervention: str, change: Change) -> None:
        """After an intervention has acted.

        Args:
            names: As above; of a hook point at which nobody looks, none.
            intervention: Its name in the steering.
            change: What it did.
        """
        ...
