"""Where the prompt of each row ends, as far as that is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tl_steer.errors import SteerError
from tl_steer.lens.generate_calls import GivenPrompt

_PIECES = (
    "several tokens came at once over a cache that this block has seen filled, so that it is not "
    "known whether they are a piece of the prompt or were written"
)


@dataclass(frozen=True, eq=False)
class PromptEnd:
    """Where the prompt of each row ends."""

    lengths: Tensor
    """``Int[Tensor, "batch"]``: how many real tokens each row's prompt has."""

    columns: int | None = None
    """Every token of a prompt is in a column before this one; ``None`` where only lengths were
    given."""

    said: bool = False
    """Whether somebody said so, so that it need not be judged by what a pass looks like."""

    guessed: bool = False
    """Whether all that has not been read yet of the prompts is taken for text."""

    unknown: str = ""
    """Why it is not known; empty where it is."""

    moved: str = ""
    """Why what is counted back from the end is not right; empty where it is."""

    def rows(self, index: Sequence[int]) -> "PromptEnd":
        """Keep some rows, in the order asked for."""
        rows = torch.tensor(index, dtype=torch.long, device=self.lengths.device)
        return replace(self, lengths=self.lengths[rows])

    @classmethod
    def of_call(cls, given: GivenPrompt, real: Tensor) -> "PromptEnd":
        """Know it from a call of ``generate``.

        Args:
            given: By the call; each of its prompts may have become several rows, side by side.
            real: ``Int[Tensor, "batch whole"]`` of its first pass, 1 where no padding is.
        """
        if given.mask is None or len(real) % len(given.mask):
            return cls(_counted(real, given.columns), given.columns, said=True, guessed=True)
        lengths = given.mask.long().sum(-1).to(real.device)
        times = len(real) // len(given.mask)
        return cls(lengths.repeat_interleave(times), given.columns, said=True)

    @classmethod
    def of_whole_texts(cls, lengths: Tensor | None, real: Tensor) -> "PromptEnd":
        """Know it, or not, where tl_steer reads whole texts within a block of the user's.

        Args:
            lengths: How many real tokens of each row are its prompt, where that is known.
            real: ``Int[Tensor, "batch whole"]``, 1 where no padding is.
        """
        if lengths is None:
            return cls(real.sum(-1), unknown=_WHOLE)
        return cls(lengths.to(real.device), said=True)

    def after(self, real: Tensor, width: int) -> "PromptEnd":
        """What is known when another pass has gone on over the same cache.

        Args:
            real: ``Int[Tensor, "batch whole"]``, 1 where no padding is.
            width: How many of the columns are new.
        """
        if self.unknown:
            return self
        if not self.said:
            return self if width == 1 else replace(self, unknown=_PIECES)
        read = real.shape[1] - width
        if not self.guessed or self.columns is None or read >= self.columns:
            return self
        padded = bool((_counted(real, self.columns) != self.lengths).any())
        return replace(self, unknown=_PADDED) if padded else self

    def said_again(self, now: "PromptEnd", *, past: int) -> "PromptEnd":
        """Go on over a cache as the prompt of another call.

        Args:
            now: By that call.
            past: How many columns the cache holds.
        """
        if self.columns == now.columns and not self.unknown:
            return now
        if self.columns is None or self.unknown or self.columns < past:
            return replace(now, unknown=self.unknown or _REUSED)
        return replace(now, moved=_MOVED)

    @property
    def of_whole_text(self) -> bool:
        """Whether a whole text was read, of which nobody said where its prompt ends."""
        return self.unknown == _WHOLE

    def require(self, *, itself: bool) -> None:
        """Refuse what depends on an end that is not known.

        Args:
            itself: Whether the place of the end is asked for, and not only what comes behind it.

        Raises:
            SteerError: With the reason, and what to do.
        """
        reason = self.unknown or (self.moved if itself else "")
        if reason:
            advice = _ASK_A_TRACE if self.of_whole_text else _SAY_IT
            raise SteerError(
                f"where the prompt ends is not known: {reason}. {advice} Scopes that do not ask "
                "for it, such as everywhere and slice(2, 5), act all the same."
            )


_WHOLE = "whole texts are read in this block, of which the model may have written a part"
_ASK_A_TRACE = (
    "Use ts.trace(model, prompts, steering, texts=...), which is told where each text begins; or, "
    "for one text at a time, give prompt_lengths= to steer(...)."
)
_SAY_IT = "Give prompt_lengths= to steer(...), or read the prompt in one pass."
_PADDED = (
    "the prompts are read in pieces, a later piece is padded, and generate(...) was called without "
    "attention_mask="
)
_REUSED = "the cache holds tokens that were written before, and are now called part of the prompt"
_MOVED = "the first part of the prompt was read before as if it were all of it"


def _counted(real: Tensor, columns: int) -> Tensor:
    """Real tokens of the first columns, where what has not come yet is taken for text."""
    counted: Tensor = real[:, :columns].sum(-1) + max(columns - real.shape[1], 0)
    return counted
