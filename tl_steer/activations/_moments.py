"""Count, mean and covariance of vectors that come in pieces."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.shapes import Examples


@checked
@dataclass(frozen=True, eq=False)
class Moments:
    """Streamed statistics of vectors, in float64.

    Pieces merge by the pairwise update of Chan, Golub and LeVeque (1979), which does not lose
    digits where the mean is large beside the spread.
    """

    count: int
    """How many vectors."""

    mean: Float[Tensor, " d"]
    """Their mean; sites with several axes are flattened."""

    scatter: Float[Tensor, "d d"]
    """``Σ (x − mean)(x − mean)ᵀ``."""

    @classmethod
    def of(cls, vectors: Examples) -> "Moments":
        """Compute the moments of one piece, of one vector or more."""
        flat = vectors.flatten(1).double()
        mean = flat.mean(0)
        centred = flat - mean
        return cls(len(flat), mean, centred.T @ centred)

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Unbiased covariance; NaN for a single vector."""
        return self.scatter / (self.count - 1) if self.count > 1 else self.scatter * float("nan")

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both pieces together."""
        count = self.count + other.count
        gap = other.mean - self.mean
        between = torch.outer(gap, gap) * (self.count * other.count / count)
        return Moments(
            count,
            self.mean + gap * (other.count / count),
            self.scatter + other.scatter + between,
        )


def merged(before: Moments | None, vectors: Examples) -> Moments | None:
    """Add a piece, which may be empty, to what there was, which may be nothing."""
    if len(vectors) == 0:
        return before
    piece = Moments.of(vectors)
    return piece if before is None else before.merge(piece)
