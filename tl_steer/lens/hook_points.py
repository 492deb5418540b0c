"""One function on one hook point, and a handle that removes just that one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tl_steer.lens.protocol import Host

HookFunction = Callable[..., Tensor | None]
"""``fn(activation, hook)``, as TransformerLens calls it: the second argument is named ``hook``."""


@dataclass(frozen=True, eq=False)
class Attached:
    """A function that sits on a hook point until :meth:`remove` is called."""

    point: Any
    handle: Any

    def remove(self) -> None:
        """Take the function off; do nothing when ``reset_hooks`` has done it already."""
        self.handle.hook.remove()
        kept = [handle for handle in self.point.fwd_hooks if handle is not self.handle]
        self.point.fwd_hooks[:] = kept


def points(model: Host, names: Sequence[str]) -> dict[str, Any]:
    """Look hook points up, all at once: some versions build the dictionary at every access."""
    present = model.hook_dict
    return {name: present[name] for name in names}


def attach(point: Any, function: HookFunction) -> Attached:
    """Put a function on a hook point, after whatever sits there.

    ``model.hooks`` would do, but it counts levels and so must end in the order of a stack, and on
    TransformerLens 3 entering it with many hooks costs more than a forward pass.
    """
    point.add_hook(function)
    return Attached(point, point.fwd_hooks[-1])
