"""The tokens of one forward pass, as scopes, strengths and interventions see them."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tl_steer.errors import SteerError
from tl_steer.lens.padding import KNOWN, Padding
from tl_steer.lens.prompt_end import PromptEnd
from tl_steer.lens.texts import RowText, row_text
from tl_steer.lens.whole import asked
from tl_steer.shapes import Positions, TokenMask, Tokens

WholePositions = Int[Tensor, "batch whole"]
"""Absolute positions of the tokens in the cache and of this pass; padding is -1."""

WholeTokens = Int[Tensor, "batch whole"]
"""Token ids in the cache and of this pass."""

PerToken = Float[Tensor, "batch pos *what"]


@dataclass(frozen=True, eq=False, init=False)
class Context:
    """The tokens of one forward pass, and what is known of the sequence they belong to.

    What is not known is refused when it is asked for, with a sentence, and never guessed.
    """

    tokenizer: Any

    before: Mapping[Hashable, Any]
    """What was remembered in the passes before."""

    after: dict[Hashable, Any]
    """What this pass remembers for the next one over the same cache."""

    end: PromptEnd
    """Where prompts end; :attr:`prompt_lengths` and :attr:`generated` ask it."""

    padding: Padding
    """Which tokens are padding; :attr:`positions` ask it."""

    forgotten: str
    """Why nothing is known of the passes before; empty where it is."""

    _whole: WholePositions
    _tokens: WholeTokens | None
    _width: int
    _read: dict[str, Tensor]
    _masks: dict[Any, Any]

    def __init__(
        self,
        positions: Positions,
        prompt_lengths: Tensor | PromptEnd,
        whole_positions: WholePositions,
        whole_tokens: WholeTokens | None = None,
        tokenizer: Any = None,
        *,
        before: Mapping[Hashable, Any] | None = None,
        after: dict[Hashable, Any] | None = None,
        padding: Padding = KNOWN,
        forgotten: str = "",
    ) -> None:
        """Put together what is known.

        Args:
            positions: Absolute position of every token, counted from the row's first real token;
                padding is -1.
            prompt_lengths: ``Int[Tensor, "batch"]``: how many real tokens each row's prompt has.
            whole_positions: The same as ``positions``, with the tokens in the cache before them.
            whole_tokens: Token ids, those in the cache first; ``None`` where the model was called
                with embeddings, or with a cache that was filled before anybody listened.
            tokenizer: Of the model.
            before: What was remembered in the passes before.
            after: What this pass remembers.
            padding: Whether it is known which tokens are padding.
            forgotten: Why nothing is known of the passes before.
        """
        end = PromptEnd(prompt_lengths) if isinstance(prompt_lengths, Tensor) else prompt_lengths
        fields = {
            "tokenizer": tokenizer,
            "before": {} if before is None else before,
            "after": {} if after is None else after,
            "end": end,
            "padding": padding,
            "forgotten": forgotten,
            "_whole": whole_positions,
            "_tokens": whole_tokens,
            "_width": positions.shape[1],
            "_read": {},
            "_masks": {},
        }
        vars(self).update(fields)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and tokens of this pass in each."""
        return len(self._whole), self._width

    @property
    def past(self) -> int:
        """How many columns the cache holds."""
        return self._whole.shape[1] - self._width

    @cached_property
    def positions(self) -> Positions:
        """Absolute position of every token, counted from the row's first real token; padding is -1.

        Raises:
            MismatchError: Where it is not known which tokens are padding.
        """
        return self.whole_positions[:, self.past :]

    @property
    def whole_positions(self) -> WholePositions:
        """The same as :attr:`positions`, with the tokens in the cache before them."""
        self.padding.require_positions()
        return self._whole

    @property
    def prompt_lengths(self) -> Tensor:
        """``Int[Tensor, "batch"]``: how many real tokens each row's prompt has.

        Raises:
            SteerError: Where that is not known, or what was read before was read as if it were
                another.
        """
        self.padding.require_prompt_end()
        self.end.require(itself=True)
        return self.end.lengths

    @property
    def read_at_once(self) -> Tensor:
        """``Int[Tensor, "batch"]``: how many tokens of each row can all be seen by any of them.

        Those of its prompt; of whole texts that tl_steer reads in a block of the user's, all.
        """
        return self.end.lengths if self.end.of_whole_text else self.prompt_lengths

    @cached_property
    def real(self) -> TokenMask:
        """True for all tokens but padding."""
        return self._whole[:, self.past :] >= 0

    @cached_property
    def generated(self) -> TokenMask:
        """True for tokens that the model wrote itself.

        Raises:
            SteerError: Where it is not known where prompts end.
        """
        return self.generated_index >= 0

    @cached_property
    def generated_index(self) -> Positions:
        """Index of each token among those that the model wrote: 0 for the first, negative before.

        Raises:
            SteerError: Where it is not known where prompts end.
        """
        self.padding.require_prompt_end()
        self.end.require(itself=False)
        return self.positions - self.end.lengths[:, None]

    @property
    def unchecked(self) -> tuple[Tensor, Tensor | None]:
        """Positions and token ids of all columns, whether or not they are known to be right."""
        return self._whole, self._tokens

    @property
    def whole_tokens(self) -> WholeTokens | None:
        """Token ids, those in the cache first; ``None`` where they are not known."""
        return self._tokens

    @property
    def tokens(self) -> Tokens:
        """The token ids of this pass.

        Raises:
            SteerError: Where the model was called with embeddings.
        """
        return self._require_tokens()[:, self.past :]

    @cached_property
    def texts(self) -> list[RowText]:
        """What each row says so far, token by token; special tokens count as text.

        Raises:
            SteerError: Where token ids or a tokenizer are lacking.
        """
        tokens = self._require_tokens()
        if self.tokenizer is None:
            raise SteerError("this model has no tokenizer, so its text cannot be looked at.")
        real, ids = (self.whole_positions >= 0).tolist(), tokens.tolist()
        known = self.before.get("texts") or [None] * len(ids)
        rows = [
            row_text(self.tokenizer, row, mask, before=before)
            for row, mask, before in zip(ids, real, known, strict=True)
        ]
        self.remember("texts", rows)
        return rows

    def mask(self, scope: Callable[["Context"], Any]) -> Any:
        """Evaluate a scope once in a pass; a user's own may return anything."""
        if scope not in self._masks:
            self._masks[scope] = asked(scope, self)
        return self._masks[scope]

    def read(self, hook_name: str) -> Tensor:
        """Return what stood at a hook point in this pass, before this steering changed it.

        Only what a scope, strength or intervention names in its ``reads`` is kept.

        Raises:
            SteerError: When it was not asked for, or the pass has not come to it yet.
        """
        try:
            return self._read[hook_name]
        except KeyError:
            raise SteerError(
                f"{hook_name} was not read in this pass. Name it in `reads` of the scope or "
                "strength that needs it; it must not come after the hook point that it decides "
                "on."
            ) from None

    def keep(self, hook_name: str, acts: Tensor) -> None:
        """Keep activations for :meth:`read`."""
        # Cloned, because another hook may write into the tensor.
        self._read[hook_name] = acts.clone()

    def recall(self, key: Hashable) -> Any:
        """Return what the pass before remembered of this sequence; ``None`` in the first one.

        Raises:
            SteerError: When the cache was filled before anybody listened, or when its end was cut
                off and what was remembered there is gone.
            MismatchError: Where it is not known which tokens are padding.
        """
        self.padding.require_positions()
        if self.past:
            self.padding.require_prompt_end()
        if self.forgotten:
            raise SteerError(self.forgotten)
        return self.before.get(key)

    def remember(self, key: Hashable, value: Any) -> None:
        """Keep something for the next pass over the same cache; asking twice changes nothing.

        Args:
            key: Usually the object that will ask.
            value: A tensor or a list whose first axis is that of the rows.
        """
        self.after[key] = value

    def as_one_pass(self) -> "Context":
        """The whole text as if nothing were cached."""
        return Context(
            self._whole,
            self.end,
            self._whole,
            self._tokens,
            self.tokenizer,
            before={"texts": self.before.get("texts")},
            padding=self.padding,
        )

    def running_sum(self, key: Hashable, values: PerToken) -> PerToken:
        """Sum values over all real tokens up to and including each one, in float32.

        The same with a cache, where earlier tokens are remembered, and without.

        Args:
            key: Whose sum this is; usually the object that asks.
            values: A number, or several, for each token of this pass.
        """
        real = self.real.view(*self.real.shape, *[1] * (values.ndim - 2))
        sums = torch.where(real, values.float(), 0.0).cumsum(1)
        carried = self.recall(key)
        if carried is not None:
            sums = sums + carried[:, None]
        self.remember(key, sums[:, -1])
        return sums

    def _require_tokens(self) -> WholeTokens:
        if self._tokens is None:
            raise SteerError(
                "the model was called with embeddings, or with a cache filled outside of this "
                "block, so its tokens are unknown. Call it with token ids or a text, and begin "
                "the block before the prompt is read."
            )
        return self._tokens
