"""Which tokens a hook is looking at.

A hook gets a tensor and a hook point. It is not told whether its one position is the third token
of a prompt or the hundredth of a continuation, nor which rows are padded. The timeline reads that
from the model's own call, before any hook point of the same pass fires:

- on ``TransformerBridge``, from the call of the wrapped Hugging Face model (token ids, attention
  mask, cache);
- on ``HookedTransformer``, from the calls of its embedding (token ids) and of its first block
  (residual, attention mask, cache), because its ``generate`` bypasses the call of the model itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakMethod, finalize

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from tl_steer.errors import MismatchError, SteerError
from tl_steer.lens.cache_names import cache_given
from tl_steer.lens.context import Context
from tl_steer.lens.kept_cache import tokens_in
from tl_steer.lens.protocol import Host, is_bridge


@dataclass(frozen=True, eq=False)
class _Pass:
    """What a call of the model tells about itself."""

    content: Tensor
    """Token ids, or the residual stream before block 0: equal where the tokens are equal."""

    tokens: Tensor | None
    """Token ids ``Int[Tensor, "batch pos"]``; ``None`` for embeddings."""

    mask: Tensor | None
    """``Int[Tensor, "batch past+pos"]`` over the cached and the new tokens, 1 where real."""

    past: int
    """How many tokens the cache holds."""

    right_pad: int | None
    """The padding token, where the tokenizer puts it at the end of rows."""


@dataclass(eq=False)
class Timeline:
    """Follows a model from pass to pass.

    A prompt is what the first pass of a sequence holds. What follows with a cache is generated.
    Without a cache, a pass that repeats the last one and adds one token to every row continues it,
    which is how generation without a cache looks; anything else starts anew.

    A timeline that nobody refers to any more takes its listener off the model by itself.
    """

    prompt_lengths: Tensor | None = None
    """Given where they are known, e.g. to score a continuation in one pass."""

    needs_prompt_end: bool = False
    """Whether somebody will ask where prompts end, so that padding must be known."""

    n_rows: int | None = None
    """The only batch size that fits, where settings are per row."""

    _context: Context | None = None
    _tokenizer: Any = None
    _last: _Pass | None = None
    _prompt: Tensor | None = None
    _finalizers: list[Callable[[], Any]] = field(default_factory=list)

    def attach(self, model: Host) -> None:
        """Begin to follow the model."""
        self._tokenizer = model.tokenizer
        listen = _listen_to_bridge if is_bridge(model) else _listen_to_hooked
        advance = WeakMethod(self._advance)

        def heard(now: _Pass) -> None:
            alive = advance()
            if alive is not None:
                alive(now)

        handle = listen(model, heard)
        self._finalizers.append(finalize(self, handle.remove))

    def detach(self) -> None:
        """Stop following; the model has no listener of this timeline any more."""
        while self._finalizers:
            self._finalizers.pop()()
        self._last = self._prompt = self._context = None

    def select(self, index: Sequence[int], *, n_rows: int | None) -> None:
        """Go on with some rows of the last pass; a row may go on several times.

        Args:
            index: For each row of the next pass, the row of the last one that it continues.
            n_rows: The only batch size that fits from now on, where settings are per row.
        """
        self.n_rows = n_rows
        if self._last is not None:
            self._last = replace(self._last, content=self._last.content[list(index)])
        if self.prompt_lengths is not None:
            self.prompt_lengths = self.prompt_lengths[list(index)]
        if self._context is not None:
            self._context = self._context.select(index)
            self._prompt = self._context.prompt_lengths

    def now(self, hook_name: str, shape: torch.Size) -> Context:
        """Return the pass that runs, for a hook that sees activations of some (batch, pos, …).

        Raises:
            SteerError: When the pass began beyond the first block, so that nothing was heard.
        """
        context = self._context
        if context is None or context.positions.shape != shape[:2]:
            raise SteerError(
                f"{hook_name}: cannot tell which tokens these are. {_heard(context, shape)} Use "
                "the scope everywhere, and one strength for all rows."
            )
        return context

    def _advance(self, now: _Pass) -> None:
        batch, width = now.content.shape[:2]
        if self.n_rows not in (None, batch):
            raise MismatchError(
                f"settings for {self.n_rows} rows came with a batch of {batch}; give one for each "
                "row, or one for all."
            )
        if self.needs_prompt_end and self.prompt_lengths is None:
            _require_known_padding(now)
        mask = now.mask
        if mask is None:
            ones = (batch, now.past + width)
            mask = torch.ones(ones, dtype=torch.long, device=now.content.device)
        mask = mask.long()
        self._prompt = self._prompt_lengths_of(now, mask)
        positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, -1)
        # The cache may have been filled while nobody listened, or been cut since.
        before = self._context if now.past and self._continues(now) else None
        whole = now.tokens if now.past == 0 else _joined(before, now.tokens)
        self._context = Context(
            positions=positions[:, now.past :],
            prompt_lengths=self._prompt,
            whole_positions=positions,
            whole_tokens=whole,
            tokenizer=self._tokenizer,
            complete=now.past == 0 or before is not None,
            before={} if before is None else {**before.before, **before.after},
        )
        # A cached step is told apart by its cache; only whole sequences need remembering.
        self._last = now if now.past == 0 else None

    def _continues(self, now: _Pass) -> bool:
        last = self._context
        return last is not None and last.whole_positions.shape == (len(now.content), now.past)

    def _prompt_lengths_of(self, now: _Pass, mask: Tensor) -> Tensor:
        batch, width = now.content.shape[:2]
        if self.prompt_lengths is not None:
            if self.prompt_lengths.shape != (batch,):
                raise MismatchError(
                    f"{self.prompt_lengths.numel()} prompt lengths came with a batch of {batch} "
                    "rows; give one for each row."
                )
            return self.prompt_lengths.to(mask.device)
        before = self._prompt
        if now.past:
            known = before is not None and len(before) == batch
            return before if known and before is not None else mask[:, : now.past].sum(-1)
        whole = mask.sum(-1)
        last = self._last
        if last is None or before is None or last.content.shape[:2] != (batch, width - 1):
            return whole
        # Compared on the device: a hook must not wait for the GPU.
        same = (now.content[:, :-1] == last.content).flatten(1).all(-1)
        return torch.where(same, before, whole)


def _heard(context: Context | None, shape: torch.Size) -> str:
    if context is None:
        return "The pass did not begin at the first block, as with start_at_layer."
    rows, tokens = context.positions.shape
    return (
        f"The activations are of the shape {tuple(shape)}, and the pass began with {rows} rows of "
        f"{tokens} tokens: a pass that begins at a later block (start_at_layer) is not heard, nor "
        "is one without a batch axis."
    )


def _joined(before: Context | None, tokens: Tensor | None) -> Tensor | None:
    if before is None or before.whole_tokens is None or tokens is None:
        return None
    return torch.cat([before.whole_tokens, tokens.to(before.whole_tokens.device)], dim=1)


def _require_known_padding(now: _Pass) -> None:
    if now.mask is not None or len(now.content) == 1 or now.right_pad is None:
        return
    are_tokens = not now.content.is_floating_point()
    if are_tokens and not bool((now.content[:, -1] == now.right_pad).any()):
        return
    raise MismatchError(
        f"a batch of {len(now.content)} rows came without an attention mask, and this model's "
        "tokenizer pads on the right, so the end of each prompt is not known. Pass "
        "attention_mask=, give prompt_lengths=, or pad on the left."
    )


class _Listener:
    def __init__(self, *handles: RemovableHandle) -> None:
        self._handles = handles

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


def _listen_to_bridge(model: Any, heard: Callable[[_Pass], None]) -> _Listener:
    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        content = args[0] if args else kwargs.get("input_ids")
        if content is None:
            content = kwargs["inputs_embeds"]
        cache = cache_given(kwargs)
        held = tokens_in(cache)
        mask = _two_dimensional(kwargs.get("attention_mask"))
        # A state-space model does not know how much it has read; the mask does.
        unknown = 0 if mask is None else mask.shape[1] - content.shape[1]
        past = unknown if held is None else held
        tokens = None if content.is_floating_point() else content
        heard(_Pass(content, tokens, mask, past, _right_pad(model)))

    return _Listener(model.original_model.register_forward_pre_hook(before, with_kwargs=True))


def _listen_to_hooked(model: Any, heard: Callable[[_Pass], None]) -> _Listener:
    embedded: list[Tensor] = []

    def embed(module: Any, args: tuple[Any, ...]) -> None:
        tokens = args[0]
        # Generation without a cache embeds only the token that is new, beside those before it.
        known = embedded[-1] if embedded and tokens.shape[1] == 1 else None
        embedded[:] = [tokens]
        if known is not None and len(known) == len(tokens):
            embedded.append(torch.cat([known, tokens], dim=1))

    def before(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        cache = kwargs.get("past_kv_cache_entry")
        past = 0 if cache is None else int(cache.past_keys.shape[1])
        # Cloned, because a hook may write into the residual stream in place.
        content = args[0].clone() if past == 0 else args[0]
        fitting = (each for each in embedded if each.shape == content.shape[:2])
        mask = _two_dimensional(kwargs.get("attention_mask"))
        heard(_Pass(content, next(fitting, None), mask, past, _right_pad(model)))

    return _Listener(
        model.embed.register_forward_pre_hook(embed),
        model.blocks[0].register_forward_pre_hook(before, with_kwargs=True),
    )


def _two_dimensional(mask: Any) -> Tensor | None:
    return mask if isinstance(mask, Tensor) and mask.ndim == 2 else None


def _right_pad(model: Any) -> int | None:
    tokenizer = model.tokenizer
    if tokenizer is None or tokenizer.padding_side != "right":
        return None
    return int(tokenizer.pad_token_id or 0)
