"""What is said of the distribution that a token is drawn from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Distribution:
    """Of the next token."""

    entropy: Float[Tensor, "*row"]
    """In nats."""

    likeliest: Int[Tensor, "*row rank"]
    """Token ids, the likeliest first."""

    log_probs: Float[Tensor, "*row rank"]
    """Theirs."""

    @classmethod
    def of(cls, log_probs: Float[Tensor, "*row d_vocab"], ranks: int) -> "Distribution":
        """Describe one of every row.

        Args:
            log_probs: Natural logarithms, normalised.
            ranks: How many of the likeliest tokens are named.
        """
        top, ids = log_probs.topk(min(ranks, log_probs.shape[-1]), dim=-1)
        # What has no probability adds nothing; torch.special.entr takes many times as long.
        surprise = -log_probs.clamp(min=torch.finfo(log_probs.dtype).min)
        return cls((log_probs.exp() * surprise).sum(-1), ids, top)
