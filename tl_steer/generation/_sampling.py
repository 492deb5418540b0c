"""From logits to tokens, with random numbers that belong to the row and not to the batch."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tl_steer.arguments import Count, Seed, came, checked
from tl_steer.errors import MismatchError, SteerError
from tl_steer.files.stored_names import stored_as

LIKELIEST = 1024
"""So many tokens are ordered at first; the whole vocabulary only where these do not decide."""


@stored_as("Sampling")
@checked
@dataclass(frozen=True)
class Sampling:
    """How texts are drawn. Every setting is explicit: hidden defaults change perplexity by half.

    Random numbers belong to prompt, sample and step, and come from a generator of their own, so
    that one seed gives a steered and an unsteered run the same ones, whatever the batches.

    Raises:
        SteerError: For values outside their range.
    """

    max_new_tokens: Count = 40
    """At most so many tokens a continuation."""

    samples: Count = 1
    """Continuations of each prompt."""

    temperature: float = 1.0
    """Divides the logits; 0 is greedy."""

    top_p: float = 1.0
    """Keep the likeliest tokens that together reach this probability (Holtzman et al. 2020)."""

    top_k: Count | None = None
    """Keep so many of the likeliest tokens."""

    seed: Seed = 0

    stop_at_eos: bool = True
    """Whether a continuation ends with the end-of-text token."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.temperature < float("inf"):
            raise SteerError(f"temperature={self.temperature}: 0 (greedy) or a positive number.")
        if not 0 < self.top_p <= 1:
            raise SteerError(f"top_p={self.top_p}: over 0, up to 1.")
        if self.top_k is not None and self.top_k < 1:
            raise SteerError(f"top_k={self.top_k}: at least 1, or None.")
        if self.max_new_tokens < 1 or self.samples < 1:
            raise SteerError(
                f"max_new_tokens={self.max_new_tokens} and samples={self.samples}: at least 1."
            )

    @classmethod
    def given(cls, sampling: "Sampling | None", **settings: Any) -> "Sampling":
        """Take settings as a whole or one by one, and not both.

        Raises:
            SteerError: For both, or what is no ``Sampling``.
        """
        named = {name: value for name, value in settings.items() if value is not None}
        if sampling is None:
            return cls(**named)
        if not isinstance(sampling, cls):
            raise SteerError(
                f"Expected a Sampling, got {sampling!r}. Write Sampling(max_new_tokens=20), or the "
                "settings by name: max_new_tokens=20, temperature=0.8."
            )
        if named:
            shown = ", ".join(f"{name}={came(value)}" for name, value in named.items())
            raise SteerError(
                f"{sampling} and {shown}: settings come as a Sampling or by name, not both. Write "
                f"dataclasses.replace(sampling, {shown}), or leave one of them out."
            )
        return sampling

    def draw(
        self, logits: Float[Tensor, "batch d_vocab"], uniform: Float[Tensor, " batch"]
    ) -> Int[Tensor, " batch"]:
        """Draw one token a row by inverting the cumulative distribution at a uniform number.

        Tokens are ordered by probability, so that the same number draws the same token, or one as
        likely, from two similar distributions: that pairs steered with unsteered text.

        Args:
            logits: Of the next token.
            uniform: In [0, 1), one a row.

        Raises:
            MismatchError: For another number of them than of rows.
        """
        if len(logits) != len(uniform):
            raise MismatchError(
                f"logits of {len(logits)} rows came with {len(uniform)} numbers; one a row is "
                "wanted."
            )
        return draw_tokens(self, logits, uniform)

    def uniforms(self, n_prompts: Count) -> Float[Tensor, "row step"]:
        """Random numbers for every sample of every prompt, and every step."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.rand((n_prompts * self.samples, self.max_new_tokens), generator=generator)


def draw_tokens(
    sampling: Sampling, logits: Float[Tensor, "batch d_vocab"], uniform: Float[Tensor, " batch"]
) -> Int[Tensor, " batch"]:
    """Draw as :meth:`Sampling.draw` does, at every token, and so without a look at what came."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    scaled = logits.float() / sampling.temperature
    vocabulary = scaled.shape[-1]
    if sampling.top_k is not None or vocabulary <= LIKELIEST:
        return _among(sampling, scaled, uniform, min(sampling.top_k or vocabulary, vocabulary))[0]
    drawn, decided = _among(sampling, scaled, uniform, LIKELIEST)
    if not bool(decided.all()):
        # Each row by itself, so that a text does not depend on the others of its batch.
        rest = (~decided).nonzero()[:, 0]
        drawn[rest] = _among(sampling, scaled[rest], uniform[rest], vocabulary)[0]
    return drawn


def _among(
    sampling: Sampling,
    scaled: Float[Tensor, "batch d_vocab"],
    uniform: Float[Tensor, " batch"],
    likeliest: int,
) -> tuple[Int[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """Draw among the likeliest tokens, and say where no other could have been drawn."""
    if likeliest == scaled.shape[-1]:
        ordered, tokens = torch.sort(scaled, descending=True, dim=-1)
    else:
        ordered, tokens = torch.topk(scaled, likeliest, dim=-1)
    # With top_k, shares are those among the tokens that it keeps.
    whole = (scaled if sampling.top_k is None else ordered).logsumexp(-1, keepdim=True)
    probabilities = (ordered - whole).exp()
    cumulative = probabilities.cumsum(-1)
    # A token stays while those before it do not yet reach top_p; the likeliest always does.
    kept = (cumulative - probabilities) < sampling.top_p
    total = (probabilities * kept).sum(-1) if sampling.top_p < 1 else torch.ones_like(uniform)
    beneath = (cumulative <= (uniform * total)[:, None]) & kept
    # Of logits that are not finite none may be kept, and what is drawn has to be a token even so.
    chosen = beneath.sum(-1).clamp(max=kept.sum(-1) - 1).clamp(min=0)
    reached = sampling.top_p if sampling.top_p < 1 else uniform
    decided = cumulative[:, -1] > reached
    return tokens.gather(1, chosen[:, None])[:, 0], decided
