"""A cache reaches the attention layers of a bridge, whatever transformers calls it.

transformers 5.24 renamed what a model hands to its layers from ``past_key_values`` (state-space
models: ``cache_params``) to ``cache``. TransformerBridge, up to 4.3 at least, computes attention
itself and looks for the old names only; it finds nothing, keeps nothing, and every token after the
prompt is written as if there were no text before it, without an error. :func:`pass_cache_on` hands
the cache over under the old names as well, for as long as its hooks are on the model.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache as remembered
from inspect import signature
from typing import Any
from weakref import WeakSet

from torch import nn

from tl_steer.lens.protocol import Host, SteerableModel, is_bridge

_NEW = "cache"
_OLD = ("past_key_values", "cache_params")

_for_good: "WeakSet[Any]" = WeakSet()
"""Models whose hooks were put on when they were loaded."""


def cache_given(arguments: dict[str, Any]) -> Any:
    """The cache that a model or a layer was called with; ``None`` where it came without one."""
    found = (arguments.get(name) for name in (_NEW, *_OLD))
    return next((each for each in found if each is not None), None)


def cache_returned(output: object) -> Any:
    """The cache in what a Hugging Face model returned; ``None`` where there is none."""
    # Not asked by attribute: transformers warns of the old names.
    return cache_given(getattr(output, "__dict__", {}))


def cache_name(model: Any) -> str | None:
    """What a Hugging Face model calls the cache that it is called with; ``None`` if it has none."""
    return next((name for name in (_NEW, *_OLD) if _knows(model, name)), None)


def pass_cache_on(model: Host) -> ExitStack:
    """Hand the cache to the layers of a bridge under every name that it has had.

    Nothing is attached where the names agree, or where that was done when the model was loaded.

    Args:
        model: Any TransformerLens model; a twin needs nothing.

    Returns:
        What takes the hooks off again when it is closed, or left as a context manager.
    """
    hooks = ExitStack()
    # A twin is no module: nothing in it is wrapped.
    if is_bridge(model) and isinstance(model, nn.Module) and model not in _for_good:
        _attach(model, hooks)
    return hooks


def pass_cache_on_for_good(model: SteerableModel) -> None:
    """The same for a model that we have loaded: it comes with these hooks and keeps them."""
    if is_bridge(model) and model not in _for_good:
        _attach(model, ExitStack())
        _for_good.add(model)


def _attach(model: Any, hooks: ExitStack) -> None:
    def before(module: Any, hook: Any) -> None:
        hooks.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)

    root = model.original_model
    if not _knows(root, _OLD[0]):
        before(root, _under_its_name)
    if not _knows(root, _NEW):
        return
    blocks = set(map(id, getattr(model, "blocks", ())))
    for bridge in _bridges(model):
        wrapped = getattr(bridge, "original_component", None)
        # A block hands on what it gets; what uses the cache is in it.
        if wrapped is not None and id(bridge) not in blocks and _was_renamed(wrapped):
            before(bridge, _under_old_names_too)
            before(wrapped, _under_new_name)


def _bridges(module: Any) -> Iterator[Any]:
    for name, child in module.named_children():
        # What is wrapped is large and holds no bridge that is not here as well.
        if name != "_original_component":
            yield child
            yield from _bridges(child)


def _was_renamed(module: Any) -> bool:
    return _knows(module, _NEW) and not any(_knows(module, name) for name in _OLD)


def _knows(module: Any, name: str) -> bool:
    return name in _parameters(type(module).forward)


@remembered
def _parameters(forward: Callable[..., Any]) -> frozenset[str]:
    return frozenset(signature(forward).parameters)


def _under_its_name(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """What TransformerLens calls ``past_key_values``, under the name that the model knows."""
    name = cache_name(module)
    if name is None:
        return None
    kept = {each: value for each, value in kwargs.items() if each not in (_NEW, *_OLD)}
    return args, {**kept, name: cache_given(kwargs)}


def _under_old_names_too(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    if kwargs.get(_NEW) is None:
        return None
    return args, {**dict.fromkeys(_OLD, kwargs[_NEW]), **kwargs}


def _under_new_name(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """A bridge that leaves the work to what it wraps hands everything on; that knows one name."""
    if _NEW not in kwargs:
        return None
    return args, {name: value for name, value in kwargs.items() if name not in _OLD}
