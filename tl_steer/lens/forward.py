"""Passes through the model, the same for both of its classes."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.errors import CacheError
from tl_steer.lens.cache_names import cache_returned
from tl_steer.lens.dropout import require_no_dropout
from tl_steer.lens.holding import alone
from tl_steer.lens.kept_cache import does_without, require_kept
from tl_steer.lens.protocol import Host, device_of, is_bridge
from tl_steer.lens.tokens import Batch
from tl_steer.lens.twin import Twin
from tl_steer.lens.whole_texts import reading
from tl_steer.shapes import TokenMask, Tokens

Logits = Float[Tensor, "batch pos d_vocab"]
NextLogits = Float[Tensor, "batch d_vocab"]


@alone
def run_to_layer(model: Host, batch: Batch, last_layer: int) -> None:
    """Run the embedding and the blocks up to and including ``last_layer``, for the hooks' sake."""
    if isinstance(model, Twin):
        model.run_to_layer(batch, last_layer)
        return
    require_no_dropout(model)
    mask = batch.real.long()
    last = last_layer == int(model.cfg.n_layers) - 1
    run: Any = model
    # A wrapped model keeps keys and values unless it is told not to.
    settings = _uncached(model) if is_bridge(model) else {}
    if not last:
        run(batch.tokens, attention_mask=mask, stop_at_layer=last_layer + 1, **settings)
    elif is_bridge(model):
        # The wrapped model always unembeds; one position of it is the least that it can be asked.
        run(batch.tokens, attention_mask=mask, **settings, **_last_logits_only(model))
    else:
        run(batch.tokens, attention_mask=mask, return_type=None)


@alone
def run_logits(model: Host, batch: Batch, *, prompt_lengths: Sequence[int] | None = None) -> Logits:
    """Run the whole model on a padded batch and return the logits at every position.

    Args:
        model: What to run.
        batch: Whole texts.
        prompt_lengths: How many real tokens of each row are its prompt, where whole texts are read;
            blocks that are around are told.
    """
    if prompt_lengths is None:
        return _logits(model, batch)
    with reading(torch.tensor(prompt_lengths)):
        return _logits(model, batch)


def _logits(model: Host, batch: Batch) -> Logits:
    if isinstance(model, Twin):
        return model.logits(batch)
    require_no_dropout(model)
    run: Any = model
    if is_bridge(model):
        logits: Logits = run(batch.tokens, attention_mask=batch.real.long(), **_uncached(model))
    else:
        logits = run(batch.tokens, attention_mask=batch.real.long())
    return logits


@dataclass(eq=False)
class Decoder:
    """Reads a prompt, then one token a step, over a key-value cache.

    The model's own ``generate`` draws from torch's global random numbers and returns no logits;
    this is the loop's inner half, without the drawing. A bridge keeps a cache only while
    :func:`~tl_steer.lens.cache_names.pass_cache_on` or a ``steer`` block is around.

    After the prompt, the cache has to hold it. Where it does not, each step reads the whole text
    again, after a warning.
    """

    model: Host
    mask: TokenMask
    """Real tokens so far; grows by one column a step."""

    tokens: Tokens
    """All tokens so far, padding included."""

    cached: bool = True
    """Whether there is a cache."""

    _cache: Any = field(default=None, repr=False)

    @classmethod
    def begin(
        cls, model: Host, prompts: Batch, *, cached: bool = True
    ) -> tuple["Decoder", NextLogits]:
        """Read left-padded prompts; return the logits of each row's next token.

        Args:
            model: Any TransformerLens model or its twin.
            prompts: Rows of tokens.
            cached: ``False`` for a model that is known to lose its cache.
        """
        require_no_dropout(model)
        decoder = cls(model, prompts.real, prompts.tokens, cached)
        if cached:
            try:
                return decoder, decoder._read_prompt()
            except CacheError:
                warnings.warn(does_without(_called(model)), stacklevel=2)
                decoder.cached, decoder._cache = False, None
        return decoder, decoder._read_all()

    def step(self, tokens: Tokens) -> NextLogits:
        """Read one more token in every row; return the logits of the one after it."""
        self.mask = torch.cat([self.mask, self.mask.new_ones((len(tokens), 1))], dim=1)
        self.tokens = torch.cat([self.tokens, tokens], dim=1)
        return self._go_on(tokens) if self.cached else self._read_all()

    def select(self, index: Sequence[int]) -> None:
        """Go on with some rows, in the order asked for; a row may go on several times."""
        rows = torch.tensor(index, dtype=torch.long, device=self.mask.device)
        self.mask, self.tokens = self.mask[rows], self.tokens[rows]
        if not self.cached:
            return
        if is_bridge(self.model):
            # Layers of every kind have this one; state-space layers have no batch_select_indices.
            self._cache.reorder_cache(rows)
            return
        self._cache.previous_attention_mask = self._cache.previous_attention_mask[rows]
        for entry in self._cache.entries:
            at = rows.to(entry.past_keys.device)
            entry.past_keys, entry.past_values = entry.past_keys[at], entry.past_values[at]

    def _read_prompt(self) -> NextLogits:
        if not is_bridge(self.model):
            self._cache = _empty_cache(self.model, len(self.tokens))
        logits = self._go_on(self.tokens)
        require_kept(_called(self.model), self._cache, self.tokens.shape[1])
        return logits

    def _go_on(self, tokens: Tokens) -> NextLogits:
        if isinstance(self.model, Twin):
            following, self._cache = self.model.next_logits(tokens, self.mask, self._cache)
            return following
        run: Any = self.model
        mask = self.mask.long()
        if is_bridge(self.model):
            with _cache_of_the_pass(self.model) as returned:
                logits = run(
                    tokens,
                    attention_mask=mask,
                    past_key_values=self._cache,
                    use_cache=True,
                    **_last_logits_only(self.model),
                )
            self._cache = returned[0]
        else:
            # This class keeps the mask of earlier tokens in its cache and wants the new part.
            logits = run(
                tokens, attention_mask=mask[:, -tokens.shape[1] :], past_kv_cache=self._cache
            )
        last: NextLogits = logits[:, -1]
        return last

    def _read_all(self) -> NextLogits:
        if isinstance(self.model, Twin):
            return self.model.logits(Batch(self.tokens, self.mask))[:, -1]
        run: Any = self.model
        settings: dict[str, Any] = {}
        if is_bridge(self.model):
            settings = {"use_cache": False, **_last_logits_only(self.model)}
        last: NextLogits = run(self.tokens, attention_mask=self.mask.long(), **settings)[:, -1]
        return last


def _called(model: Any) -> Any:
    return model.original_model if is_bridge(model) else model


@contextmanager
def _cache_of_the_pass(model: Any) -> Iterator[list[Any]]:
    """What a bridge leaves in what its wrapped model returned: the cache, in a list of one."""
    returned: list[Any] = []

    def after(module: Any, args: Any, output: Any) -> None:
        returned.append(cache_returned(output))

    handle = model.original_model.register_forward_hook(after)
    try:
        yield returned
    finally:
        handle.remove()


def _uncached(model: Any) -> dict[str, bool]:
    """Keep no keys and values, where nobody wants them."""
    # In passes without a cache, TransformerLens 3 asks gated delta nets for a function that
    # transformers 5.15 has moved, and breaks.
    nets = [getattr(block, "linear_attn", None) for block in model.blocks] if _is_3() else []
    breaks = any(
        net is not None and not hasattr(net.original_component, "causal_conv1d_fn") for net in nets
    )
    return {} if breaks else {"use_cache": False}


@cache
def _is_3() -> bool:
    return int(version("transformer-lens").partition(".")[0]) < 4


def _last_logits_only(model: Any) -> dict[str, int]:
    accepted = signature(model.original_model.forward).parameters
    return {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}


def _empty_cache(model: Host, batch: int) -> Any:
    from transformer_lens import TransformerLensKeyValueCache

    return TransformerLensKeyValueCache.init_cache(model.cfg, device_of(model), batch)
