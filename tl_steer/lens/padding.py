"""Whether it is known which tokens are padding.

Without an attention mask a model takes every token for text, and so do positions. Where tokens look
as if they had been padded all the same, whatever depends on positions is refused. Looking waits for
the device, and so is left until somebody asks.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from tl_steer.errors import MismatchError


@dataclass(frozen=True, eq=False)
class Padding:
    """What a sequence began with, as far as padding may hide in it."""

    tokens: Tensor | None = None
    """Token ids ``Int[Tensor, "batch pos"]`` that came without a mask, where there is doubt."""

    rows: int = 0
    """How many rows came without a mask."""

    tokenizer: Any = None
    """Says what padding looks like."""

    fresh: Tensor | None = None
    """``Bool[Tensor, "batch"]``: rows that do not continue those of the pass before, which may end
    with what looks like padding; ``None`` for all."""

    attended: Tensor | None = None
    """What the last token attends to, where a mask of another kind came: all of it, if nothing is
    padded."""

    earlier: Tensor | None = None
    """Positions by an earlier mask, where a later pass came without one."""

    unseen: str = ""
    """What came, where it cannot be looked at."""

    end_is_given: bool = False
    """Whether prompt lengths were given, so that padding hides none."""

    @cached_property
    def left(self) -> str:
        """Why positions are not known; empty where they are."""
        if self.unseen:
            return self.unseen
        if self.attended is not None and not bool(self.attended.all()):
            return "an attention mask came that does not say what is padding"
        if self.earlier is not None and bool((self.earlier < 0).any()):
            return "a pass came without the attention mask of the passes before"
        leading = self._runs(first=True)
        # One token that looks like padding may begin every text: it is often the model's BOS too.
        if len({*leading}) > 1 or max(leading, default=0) > 1:
            return "token ids that look padded on the left came without an attention mask"
        return ""

    @cached_property
    def right(self) -> str:
        """Why the end of a prompt is not known, if padding can hide it; empty otherwise."""
        if self.end_is_given:
            return ""
        pads_right = getattr(self.tokenizer, "padding_side", None) == "right"
        trailing = self._runs(first=False)
        differ = len({*trailing}) > 1
        looks_padded = differ or (pads_right and (max(trailing, default=0) > 0 or self.embedded))
        if self.rows > 1 and looks_padded:
            return f"a batch of {self.rows} rows came without an attention mask"
        return ""

    def require_positions(self) -> None:
        """Refuse to count positions from a token that may be padding.

        Raises:
            MismatchError: With what came, and what to write instead.
        """
        if self.left:
            raise MismatchError(
                f"{self.left}, so it is unknown where each text begins. Pass attention_mask= (1 "
                "for text, 0 for padding) over all tokens, or texts. The scope everywhere with "
                "one strength needs no positions."
            )

    def require_prompt_end(self) -> None:
        """Refuse to count from the end of a prompt that may be padding.

        Raises:
            MismatchError: With what came, and what to write instead.
        """
        if self.right:
            raise MismatchError(
                f"{self.right}, and some seem to be padded on the right, so the end of each prompt "
                "is unknown. Pass attention_mask=, give prompt_lengths=, or pad on the left."
            )

    @property
    def embedded(self) -> bool:
        """Whether there are no tokens to be looked at."""
        return self.tokens is None

    def _runs(self, *, first: bool) -> list[int]:
        """How many tokens that look like padding each row begins with, or ends with."""
        pad = _pad_id(self.tokenizer)
        if self.tokens is None or pad is None or self.tokens.shape[1] < 2:
            return []
        looks = self.tokens == pad if first else (self.tokens == pad).flip(1)
        if not first and self.fresh is not None:
            looks = looks & self.fresh[:, None]
        if not bool(looks[:, 0].any()):
            return []
        found: list[int] = looks.long().cumprod(1).sum(1).tolist()
        return found


KNOWN = Padding()
"""A mask says which tokens are padding."""


def _pad_id(tokenizer: Any) -> int | None:
    known = (getattr(tokenizer, name, None) for name in ("pad_token_id", "eos_token_id"))
    return next((int(token) for token in known if token is not None), None)
