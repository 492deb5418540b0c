"""Where attention goes, and how far it was rerouted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.lens.context import Context
from tl_steer.lens.tokens import Batch
from tl_steer.scopes import Keys, Scope
from tl_steer.statistics import kl_divergence

Pattern = Float[Tensor, "batch head query key"]
PerHead = Float[Tensor, "batch head query"]


@dataclass(eq=False)
class Patterns:
    """Attention patterns of one batch, read twice: unsteered, and steered."""

    marked: Tensor | None
    """``Bool[Tensor, "batch query key"]``: whom attention is measured to."""

    before: dict[str, Pattern] = field(default_factory=dict)
    mass: dict[str, PerHead] = field(default_factory=dict)
    mass_before: dict[str, PerHead] = field(default_factory=dict)
    rerouted: dict[str, PerHead] = field(default_factory=dict)

    def first(self, names: tuple[str, ...]) -> Mapping[str, Callable[..., None]]:
        """Functions that keep what the model does unsteered."""

        def keep(name: str, pattern: Pattern) -> None:
            self.before[name] = pattern.detach().float().clone()
            self.mass_before[name] = self._mass(self.before[name])

        return _hooks(names, keep)

    def second(self, names: tuple[str, ...]) -> Mapping[str, Callable[..., None]]:
        """Functions that compare with what it does steered."""

        def compare(name: str, pattern: Pattern) -> None:
            after = pattern.detach().float()
            self.mass[name] = self._mass(after)
            self.rerouted[name] = jensen_shannon(after, self.before.pop(name))

        return _hooks(names, compare)

    def same(self) -> None:
        """Nothing steers."""
        self.mass = self.mass_before
        self.rerouted = {name: torch.zeros_like(each) for name, each in self.mass.items()}

    def found(self) -> tuple[Mapping[str, PerHead], ...]:
        """What was found: the share steered, the share unsteered, how far it was rerouted."""
        return self.mass, self.mass_before, self.rerouted

    def _mass(self, pattern: Pattern) -> PerHead:
        if self.marked is None:
            return torch.full_like(pattern[..., 0], torch.nan)
        marked = self.marked.to(pattern.device)[:, None]
        return torch.where(marked, pattern, 0.0).sum(-1)


def jensen_shannon(p: Pattern, q: Pattern) -> PerHead:
    """``½ KL(p ‖ m) + ½ KL(q ‖ m)`` with ``m = (p + q) / 2``, in nats: 0 to ``log 2``."""
    middle = ((p + q) / 2).log()
    return (kl_divergence(p.log(), middle) + kl_divergence(q.log(), middle)) / 2


def marked_keys(
    batch: Batch, lengths: Sequence[int], tokenizer: Any, keys: Scope | slice
) -> Tensor:
    """``Bool[Tensor, "batch query key"]``: what a scope marks, as each token may know it."""
    positions = (batch.real.long().cumsum(-1) - 1).masked_fill(~batch.real, -1)
    known = torch.tensor(lengths, device=positions.device)
    context = Context(positions, known, positions, batch.tokens, tokenizer)
    found: Tensor = context.mask(Keys(keys))
    return found


def _hooks(
    names: tuple[str, ...], function: Callable[[str, Pattern], None]
) -> Mapping[str, Callable[..., None]]:
    def of(name: str) -> Callable[..., None]:
        def hook(pattern: Pattern, hook: Any) -> None:
            function(name, pattern)

        return hook

    return {name: of(name) for name in names}
