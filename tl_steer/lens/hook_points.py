"""One function on one hook point, and a handle that removes just that one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tl_steer.lens.holding import held, only_here
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
    TransformerLens 3 entering it with many hooks costs more than a forward pass. Where another
    thread or task runs the model, the function refuses to act.
    """
    point.add_hook(only_here(function))
    return Attached(point, point.fwd_hooks[-1])


@contextmanager
def attached(model: Host, functions: Mapping[str, HookFunction]) -> Iterator[None]:
    """Have functions on hook points, by name, and the model to oneself, for the length of a block.

    Raises:
        SteerError: When another thread or task has the model.
    """
    with held(model), ExitStack() as stack:
        for name, point in points(model, list(functions)).items():
            stack.callback(attach(point, functions[name]).remove)
        yield
