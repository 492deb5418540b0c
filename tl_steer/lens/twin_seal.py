"""Whether a bridge is as its twin knows it, and whether anybody else acts on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import ref

from torch import Tensor, nn

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


_HARMLESS = (
    "transformer_lens.",
    "transformers.",
    "tl_steer.lens.cache_names",
    "tl_steer.lens.kept_cache",
)
"""Modules whose hooks are needed by the bridge itself, or change nothing."""


@dataclass(frozen=True, eq=False)
class Seal:
    """The modules and tensors of a bridge as they were; made by :meth:`of`.

    Modules are referred to weakly, so that a seal keeps no model alive. It is looked at in every
    call, of some 1,700 modules in a model of 30 blocks, so that its loops are plain.
    """

    modules: tuple["ref[nn.Module]", ...]
    held: tuple[tuple["ref[nn.Module]", tuple[int, ...], tuple[Tensor | None, ...]], ...]
    """Modules that hold anything, the identities of their children, and their tensors."""

    @classmethod
    def of(cls, model: Any) -> "Seal":
        """Remember a bridge and the model that it wraps."""
        modules = tuple(_modules(model))
        held = (
            (ref(module), _children(vars(module)), _tensors(vars(module))) for module in modules
        )
        return cls(tuple(map(ref, modules)), tuple(each for each in held if each[1] or each[2]))

    def holds(self) -> bool:
        """Whether no module and no tensor has been put in another's place."""
        for reference, children, tensors in self.held:
            module = reference()
            if module is None:
                return False
            own = module.__dict__
            if tuple(map(id, own["_modules"].values())) != children:
                return False
            if tensors or own["_parameters"] or own["_buffers"]:
                now = _tensors(own)
                if len(now) != len(tensors) or any(
                    a is not b for a, b in zip(now, tensors, strict=True)
                ):
                    return False
        return True

    def disturbance(self) -> str:
        """Say what else acts on the model, or how it computes otherwise; empty where nothing does.

        Hooks that a bridge needs for itself do not count.
        """
        for reference in self.modules:
            module = reference()
            if module is None:
                return "a module is gone"
            own = module.__dict__
            if own["training"]:
                return "it is in training mode"
            if "forward" in own or "_hf_hook" in own:
                return f"the forward of a {type(module).__name__} has been replaced"
            for kind in _HOOKS:
                if own[kind] and not all(map(_is_of_the_bridge, own[kind].values())):
                    return f"hooks sit on a {type(module).__name__}"
        return ""

    def versions(self) -> list[int]:
        """How often each tensor has been written to in place."""
        return [
            0 if tensor.is_inference() else tensor._version
            for _, _, tensors in self.held
            for tensor in tensors
            if tensor is not None
        ]


def _modules(model: Any) -> Iterator[nn.Module]:
    seen: set[int] = set()
    for root in (model, model.original_model):
        for module in root.modules():
            if id(module) not in seen:
                seen.add(id(module))
                yield module


def _children(own: dict[str, Any]) -> tuple[int, ...]:
    return tuple(map(id, own["_modules"].values()))


def _tensors(own: dict[str, Any]) -> tuple[Tensor | None, ...]:
    return (*own["_parameters"].values(), *own["_buffers"].values())


def _is_of_the_bridge(hook: Any) -> bool:
    """Functions on a hook point are wrapped by TransformerLens, but always somebody else's."""
    module, name = getattr(hook, "__module__", ""), getattr(hook, "__qualname__", "")
    if name.startswith("HookPoint.") or module.startswith("transformer_lens.model_bridge.sources."):
        return False
    return str(module).startswith(_HARMLESS)
