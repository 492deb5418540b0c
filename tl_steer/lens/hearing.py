"""Passes of a model, as its own calls tell of them.

- On ``TransformerBridge``, the call of the wrapped Hugging Face model is heard (token ids,
  attention mask, cache), and so are calls of its ``generate``, which know how long the prompt is
  also where they read it in pieces.
- On ``HookedTransformer``, the calls of its embedding (token ids) and of its first block (residual,
  attention mask, cache), because its ``generate`` bypasses the call of the model itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from tl_steer.lens.cache_names import cache_given, cache_returned
from tl_steer.lens.generate_calls import GivenPrompt, hear_generate
from tl_steer.lens.held import marks
from tl_steer.lens.kept_cache import tokens_in
from tl_steer.lens.protocol import is_bridge


@dataclass(frozen=True, eq=False)
class Pass:
    """What a call of the model tells about itself."""

    content: Tensor
    """``Int[Tensor, "batch pos"]``: token ids, or marks of embeddings, equal where these are."""

    tokens: Tensor | None
    """Token ids ``Int[Tensor, "batch pos"]``; ``None`` for embeddings."""

    mask: Any
    """The attention mask, of any kind that the model takes."""

    cache: Any
    """The key-value cache; ``None`` where none was given."""

    past: int | None
    """How many tokens the cache holds; ``None`` where it holds some and does not tell."""

    fills_cache: bool
    """Whether a cache was asked for, so that nothing is to be read twice."""


@runtime_checkable
class Listener(Protocol):
    """Who is told of passes."""

    def begins(self, now: Pass) -> None:
        """A pass begins; no hook point has fired yet."""
        ...

    def ended(self, cache: Any, columns: int | None) -> None:
        """The cache has been filled, and holds so many tokens if it tells."""
        ...

    def reads_prompt(self, given: GivenPrompt | None) -> None:
        """The wrapped model's own ``generate`` was called with a prompt, or is over."""
        ...


def listen(model: Any, told: Callable[[], Listener | None]) -> Callable[[], None]:
    """Tell somebody of all passes of a model; return what ends it.

    Args:
        model: Any TransformerLens model.
        told: Whom to tell; nobody, where it returns ``None``.
    """
    handles = [*(_of_bridge if is_bridge(model) else _of_hooked)(model, told)]

    def remove() -> None:
        for handle in handles:
            handle.remove()

    return remove


@runtime_checkable
class _Handle(Protocol):
    def remove(self) -> None: ...


def _of_bridge(model: Any, told: Callable[[], Listener | None]) -> Iterator[_Handle]:
    wrapped = model.original_model

    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        listener = told()
        if listener is None:
            return
        content = args[0] if args else kwargs.get("input_ids")
        if content is None:
            content = kwargs["inputs_embeds"]
        cache = cache_given(kwargs)
        past = _columns(cache)
        listener.begins(
            Pass(
                content=marks(content) if content.is_floating_point() else content,
                tokens=None if content.is_floating_point() else content,
                mask=kwargs.get("attention_mask"),
                cache=cache,
                past=past,
                fills_cache=cache is not None or bool(kwargs.get("use_cache")),
            )
        )

    def after(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        listener = told()
        if listener is not None:
            cache = cache_given(kwargs)
            cache = cache_returned(output) if cache is None else cache
            listener.ended(cache, _columns(cache))

    def generates(given: GivenPrompt | None) -> None:
        listener = told()
        if listener is not None:
            listener.reads_prompt(given)

    yield wrapped.register_forward_pre_hook(before, with_kwargs=True)
    yield wrapped.register_forward_hook(after, with_kwargs=True)
    yield from hear_generate(wrapped, generates)


def _of_hooked(model: Any, told: Callable[[], Listener | None]) -> Iterator[RemovableHandle]:
    embedded: list[Tensor] = []
    fresh: list[bool] = [False]

    def embed(module: Any, args: tuple[Any, ...]) -> None:
        tokens = args[0]
        # Generation without a cache embeds only the token that is new, beside those before it.
        known = embedded[-1] if embedded and tokens.shape[1] == 1 else None
        embedded[:] = [tokens]
        fresh[0] = True
        if known is not None and len(known) == len(tokens):
            embedded.append(torch.cat([known, tokens], dim=1))

    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        listener = told()
        if listener is None:
            return
        cache = kwargs.get("past_kv_cache_entry")
        past = 0 if cache is None else int(cache.past_keys.shape[1])
        residual: Tensor = args[0]
        # A pass may begin with a residual of the user's, and then nothing was embedded for it.
        fitting = (each for each in embedded if fresh[0] and each.shape == residual.shape[:2])
        tokens = next(fitting, None)
        fresh[0] = False
        listener.begins(
            Pass(
                content=marks(residual.detach()) if tokens is None else tokens,
                tokens=tokens,
                mask=kwargs.get("attention_mask"),
                cache=cache,
                past=past,
                fills_cache=cache is not None,
            )
        )

    def after(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        listener = told()
        if listener is not None:
            cache = kwargs.get("past_kv_cache_entry")
            listener.ended(cache, 0 if cache is None else int(cache.past_keys.shape[1]))

    yield model.embed.register_forward_pre_hook(embed)
    yield model.blocks[0].register_forward_pre_hook(before, with_kwargs=True)
    yield model.blocks[0].register_forward_hook(after, with_kwargs=True)


def _columns(cache: Any) -> int | None:
    """How many tokens a cache holds; ``None`` where it holds some and does not tell."""
    counted = tokens_in(cache)
    if counted is not None:
        return counted
    # State-space models keep states, and no token of them is left to be counted.
    filled = getattr(cache, "has_previous_state", None)
    return 0 if callable(filled) and not filled() else None
