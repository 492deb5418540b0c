"""Tokens that say nothing about a text and would drown out those that do."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tl_steer.arguments import Measured, Range, checked
from tl_steer.lens.protocol import Host
from tl_steer.lens.tokens import Batch, is_bos
from tl_steer.shapes import Acts, TokenMask, TokenStrengths


@checked
@dataclass(frozen=True)
class LeaveOut:
    """Tokens to leave out of a capture, besides padding.

    Attention sinks (Xiao et al. 2024, https://arxiv.org/abs/2309.17453) carry massive activations
    (Sun et al. 2024, https://arxiv.org/abs/2402.17762): norms of 10 to 100 times the others in one
    or two dimensions, at the first position and now and then at a later one. A handful of them
    outweighs hundreds of texts in a mean.
    """

    bos: bool = True
    """The beginning-of-text token."""

    first: bool = True
    """The first position of a text."""

    massive: Annotated[float, Range("over 1 (in median norms)", over=1)] | None = 10.0
    """Tokens whose norm is more than this many times the median norm at the hook point; ``None``
    keeps them."""

    def by_position(self, model: Host, batch: Batch) -> dict[str, TokenMask]:
        """Mark the tokens left out for their kind or position, by reason."""
        bos = is_bos(model, batch.tokens) & batch.real
        first = torch.zeros_like(batch.real)
        first[:, 0] = batch.real[:, 0]
        nothing = torch.zeros_like(batch.real)
        return {
            "bos": bos if self.bos else nothing,
            "first": first & ~bos if self.first else nothing,
        }

    def by_norm(self, norms: TokenStrengths, median: Measured) -> TokenMask:
        """Mark massive activations. Infinite ones are no sinks but overflows, and are not marked.

        Args:
            norms: Norm of each token's activation.
            median: The median norm at this hook point.
        """
        if self.massive is None:
            return torch.zeros_like(norms, dtype=torch.bool)
        return (norms > self.massive * median) & norms.isfinite()


def norms_of(acts: Acts) -> Tensor:
    """Euclidean norm of each token's activation, in float32, ``Float[Tensor, "batch pos"]``."""
    norms: Tensor = acts.flatten(2).float().norm(dim=-1)
    return norms
