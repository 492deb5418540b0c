"""A cache holds what the mask says, or nothing goes on from it.

That a model returns a cache does not mean that its layers have put anything there: which they do
not where TransformerLens and transformers name it differently, and with some architectures never.
What follows would be written as if there were no text before it, without an error.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tl_steer.errors import CacheError
from tl_steer.lens.cache_names import cache_given, cache_returned, pass_cache_on
from tl_steer.lens.protocol import Host, is_bridge


def keep_cache(model: Host) -> ExitStack:
    """Hand the cache of a bridge on to its layers, and refuse to go on from one that lost its text.

    That costs a few microseconds a pass, and waits for a GPU only where a static cache has to be
    asked how full it is.

    Args:
        model: Any TransformerLens model or its twin; ``HookedTransformer`` has a cache of its own.

    Returns:
        What ends it when it is closed, or left as a context manager.
    """
    hooks = pass_cache_on(model)
    if not is_bridge(model):
        return hooks
    root: Any = model.original_model  # type: ignore[attr-defined]
    # The mask of an encoder-decoder is not about what its cache holds.
    if not getattr(getattr(root, "config", None), "is_encoder_decoder", False):
        passes = _Passes()
        hooks.callback(root.register_forward_pre_hook(passes.begins, with_kwargs=True).remove)
        hooks.callback(root.register_forward_hook(passes.ends, with_kwargs=True).remove)
        hooks.callback(spare_states(root).remove)
    return hooks


def spare_states(root: Any) -> RemovableHandle:
    """Keep the mask of what was read from what goes on from a state of it.

    A state has no columns, and no padding is left in it. State-space models of transformers lay
    the last columns of a mask over the numbers that they keep of the last tokens all the same, so
    that from the second new token on everything is wrong. Hugging Face's own ``generate`` hands
    over none then.

    Args:
        root: A Hugging Face model. Inside, so that who looks at what it is called with sees a mask.

    Returns:
        What takes the hook off again.
    """
    inner: nn.Module = getattr(root, "base_model", root)
    return inner.register_forward_pre_hook(_without_mask, with_kwargs=True)


def _without_mask(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    cache, mask, new = cache_given(kwargs), kwargs.get("attention_mask"), _width(args, kwargs)
    if mask is None or new is None or not _is_of_states(cache):
        return None
    return args, {**kwargs, "attention_mask": None if new == 1 else mask[:, -new:]}


def _is_of_states(cache: Any) -> bool:
    """Whether a cache holds states that were filled, and nothing else."""
    if cache is None or tokens_in(cache) is not None:
        return False
    return any(
        isinstance(each, Tensor)
        for layer in getattr(cache, "layers", ())
        for each in _states(layer)
    )


def tokens_in(cache: Any) -> int | None:
    """How many tokens a cache holds, padding included; ``None`` where it has none to count.

    So it is with state-space models, which keep a sum of what they read and not how much it was.
    """
    if cache is None:
        return 0
    layers = getattr(cache, "layers", None)
    if layers is None:
        count = getattr(cache, "get_seq_length", None)
        return None if count is None else int(count())
    counting = next((layer for layer in layers if hasattr(layer, "get_seq_length")), None)
    if counting is not None:
        return int(counting.get_seq_length())
    # One that fills as it is used has no layers yet.
    return None if layers else 0


def is_kept(cache: Any, tokens: int) -> bool:
    """Whether a cache holds in every layer what it was filled with."""
    kept = _kept(cache, tokens)
    return bool(kept) and all(kept.values())


def require_kept(model: Any, cache: Any, tokens: int) -> None:
    """Refuse a cache that does not hold in every layer what was read.

    A layer with a sliding window counts what went through it; one with a state of fixed size has
    to have one.

    Args:
        model: The model that was called, for the message.
        cache: What it filled in its first pass.
        tokens: How many columns the pass had, padding included.

    Raises:
        CacheError: When a layer kept nothing, or not all, or the cache cannot be looked into.
    """
    if is_kept(cache, tokens):
        return
    kept = _kept(cache, tokens)
    lost = [str(number) for number, each in kept.items() if not each]
    where = "" if len(lost) == len(kept) else f" in layers {', '.join(lost)}"
    raise CacheError(
        f"{type(model).__name__}: the cache does not hold the {tokens} tokens that were read"
        f"{where}, so that what is written next would not follow from them. {_why()}"
    )


def does_without(model: Any) -> str:
    """What to say where text is written without a cache, because the model keeps none."""
    return (
        f"{type(model).__name__} keeps no cache that could be gone on from, under {_versions()}. "
        "Its texts are written without one: they are right, but every token takes a pass over the "
        "whole text."
    )


@dataclass(frozen=True, eq=False)
class _Lost:
    """A cache that a pass was to fill, and did not."""

    cache: Any
    tokens: int


class _Passes:
    """Looks at the cache before and after a pass of the wrapped model.

    One that did not keep what it was filled with is refused when a pass goes on from it: until then
    nothing is wrong, and a loop may see that it is empty and read the whole text again.
    """

    def __init__(self) -> None:
        self._fills: int | None = None
        self._lost: _Lost | None = None

    def begins(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Look at what a pass goes on from."""
        cache, new = cache_given(kwargs), _width(args, kwargs)
        lost, self._lost, self._fills = self._lost, None, None
        if new is None:
            return
        if lost is not None and cache is lost.cache and new <= lost.tokens:
            require_kept(module, cache, lost.tokens)
        held, mask = tokens_in(cache), kwargs.get("attention_mask")
        self._fills = None if held else new
        if held is None or not isinstance(mask, Tensor) or mask.ndim != 2:
            return
        # A mask may be made for more than there is; what is beyond has to be empty then.
        if mask.shape[1] > held + new and bool(mask[:, held + new :].any()):
            raise CacheError(
                f"{type(module).__name__}: the attention mask tells of {mask.shape[1]} tokens, but "
                f"{new} came with a cache that holds {held}. Hand over the cache that the pass "
                f"before returned. If you did, it was lost on the way: {_why()}"
            )

    def ends(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Look at what a pass has filled."""
        if self._fills is None:
            return
        given, returned = cache_given(kwargs), cache_returned(output)
        cache = given if returned is None else returned
        if cache is not None and not is_kept(cache, self._fills):
            self._lost = _Lost(cache, self._fills)


def _width(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
    given = (*args[:1], kwargs.get("input_ids"), kwargs.get("inputs_embeds"))
    return next((int(each.shape[1]) for each in given if isinstance(each, Tensor)), None)


def _kept(cache: Any, tokens: int) -> dict[int, bool]:
    """For the number of each layer that keeps something, whether it did."""
    # HookedTransformer has one entry for each layer.
    entries = enumerate(getattr(cache, "entries", None) or ())
    found = {number: entry.past_keys.shape[1] == tokens for number, entry in entries}
    for number, layer in enumerate(getattr(cache, "layers", None) or ()):
        states = _states(layer)
        if states:
            found[number] = any(isinstance(each, Tensor) for each in states)
        # Some layers have both.
        if hasattr(layer, "get_seq_length"):
            found[number] = found.get(number, True) and int(layer.get_seq_length()) == tokens
    return found


def _states(layer: Any) -> list[Any]:
    found: list[Any] = []
    for name in ("conv_states", "recurrent_states"):
        state = getattr(layer, name, None)
        # Several a layer in newer versions, by number.
        found += state.values() if isinstance(state, Mapping) else [state] * hasattr(layer, name)
    return found


def _why() -> str:
    return (
        f"{_versions()} keep none together for this model. Write without a cache: ts.generate and "
        "ts.compare do so by themselves, model.generate does with use_past_kv_cache=False, Hugging "
        "Face's with use_cache=False. Or install versions that tl_steer was tested with."
    )


def _versions() -> str:
    return (
        f"TransformerLens {version('transformer-lens')} and transformers {version('transformers')}"
    )
