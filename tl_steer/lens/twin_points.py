"""Hook points of the twin: before a plain module, or behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True, eq=False)
class Handle:
    """One function on one hook point, as TransformerLens hands it out."""

    hook: RemovableHandle


@dataclass(eq=False)
class TwinPoint:
    """Where functions see what enters a module, or what leaves it."""

    name: str
    module: torch.nn.Module
    before: bool
    """Whether what enters is seen, and not what leaves."""

    site: tuple[int, ...] | None = None
    """Shape of one token's activation, where the bridge shows it in another one than the module
    has it, as with the heads of ``attn.hook_z``."""

    fwd_hooks: list[Handle] = field(default_factory=list)

    def add_hook(self, function: Callable[..., Tensor | None]) -> None:
        """Put a function here, after those that are here already."""
        made = (
            self.module.register_forward_pre_hook(self._before(function), with_kwargs=True)
            if self.before
            else self.module.register_forward_hook(self._behind(function))
        )
        self.fwd_hooks.append(Handle(made))

    def _before(self, function: Callable[..., Tensor | None]) -> Callable[..., Any]:
        def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                changed = self._changed(function, args[0])
                return None if changed is None else ((changed, *args[1:]), kwargs)
            changed = self._changed(function, kwargs["hidden_states"])
            return None if changed is None else (args, {**kwargs, "hidden_states": changed})

        return hook

    def _behind(self, function: Callable[..., Tensor | None]) -> Callable[..., Any]:
        def hook(module: Any, args: tuple[Any, ...], output: Any) -> Any:
            if not isinstance(output, tuple):
                return self._changed(function, output)
            changed = self._changed(function, output[0])
            return None if changed is None else (changed, *output[1:])

        return hook

    def _changed(self, function: Callable[..., Tensor | None], acts: Tensor) -> Tensor | None:
        seen = acts if self.site is None else acts.view(*acts.shape[:2], *self.site)
        changed = function(seen, hook=self)
        return changed if changed is None or self.site is None else changed.reshape(acts.shape)
