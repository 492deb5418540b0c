"""Vectors at rest, without rounding, and their shapes in words."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tl_steer.errors import MismatchError, NonFiniteError
from tl_steer.shapes import Vector

_ROUNDING = 1e-6


def at_rest(vector: Vector, hook_name: str) -> Vector:
    """Copy a vector to float32 on the CPU, detached.

    Raises:
        MismatchError: For one of no numbers.
        NonFiniteError: For NaN or infinity.
    """
    if not vector.ndim or not vector.numel():
        raise MismatchError(
            f"{hook_name}: expected as many numbers as a token's activation has there, got a "
            f"vector of shape {tuple(vector.shape)}."
        )
    own = vector.detach().to(device="cpu", dtype=torch.float32, copy=True)
    if not bool(torch.isfinite(own).all()):
        raise NonFiniteError(
            f"{hook_name}: {int((~torch.isfinite(own)).sum())} numbers of the direction are NaN or "
            "infinite. Look for NaN in the activations that it was computed from."
        )
    return own


def require_norm(scale: float, hook_name: str) -> None:
    """Refuse what cannot be the mean norm of activations.

    Raises:
        NonFiniteError: With the hook point.
    """
    if not 0 <= scale < float("inf"):
        raise NonFiniteError(
            f"{hook_name}: expected the norm of activations as the scale, got {scale}."
        )


def without_rounding(difference: Tensor, size: float) -> Tensor:
    """What is left of vectors of a size that were taken from each other.

    Of what agrees in all digits nothing is left but rounding, which would point somewhere.
    """
    left: Tensor = difference * (difference.norm() > _ROUNDING * size)
    return left


def in_words(shape: Sequence[int]) -> str:
    """``4 × 8``."""
    return " × ".join(str(size) for size in shape)
