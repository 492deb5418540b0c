"""What a pass ends in, and a metric that is ready to be taken of it."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from tl_steer.lens.tokens import TokenIds
from tl_steer.shapes import Rows

LastLogits = Float[Tensor, "batch d_vocab"]
"""Logits at the last token of each row's prompt."""

PromptIndex = Int[Tensor, " batch"]
"""Which prompt each row is."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a metric may look at; of one pass, in float32 or better."""

    prompts: PromptIndex

    logits: Float[Tensor, "token d_vocab"] | None
    """At the last token of each prompt, and at those of its continuation but the last; ``None``
    where the pass ended before."""

    row: Int[Tensor, " token"]
    """The row of each of these tokens."""

    following: Int[Tensor, " token"]
    """The token that follows each of them; without continuations it means nothing."""

    acts: Float[Tensor, "batch *site"] | None
    """At the last token of each prompt, where the metric reads; ``None`` where it does not."""

    base: LastLogits | None
    """Logits of the same prompts with nothing exchanged, where the metric compares with them."""


@dataclass(frozen=True, eq=False)
class Measure:
    """A metric, made ready for one model and its prompts."""

    value: Callable[[Outcome], Rows]
    """One number a row."""

    continuations: tuple[TokenIds, ...] | None = None
    """What follows each prompt; one stands for all. ``None`` where nothing does."""

    reads: str | None = None
    """The hook point that it looks at instead of the logits."""

    compares: bool = False
    """Whether it compares with the logits of the base run, where it then has its minimum."""

    same_for_all: bool = False
    """Whether it asks the same of every text, so that it can be taken of other texts as well."""

    def after(self, prompt: int) -> TokenIds:
        """What follows a prompt."""
        if self.continuations is None:
            return ()
        return self.continuations[prompt if len(self.continuations) > 1 else 0]
