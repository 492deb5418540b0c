"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._equal_kl import (
    NEAR as NEAR,
    NextTokenKL as NextTokenKL,
    dose_at_kl,
    mean_kl,
    strengths_at_kl,
)
from ._equal_kl_strengths import (
    equal_kl_strengths as equal_kl_strengths,
    unreached as unreached,
)
from ._flip import DosesToFlip, dose_to_flip
from ._kl_budget import StrengthsWithinKL, strength_within_kl
from ._strength_search import StrengthSearch as StrengthSearch

__all__ = [
    "DosesToFlip",
    "StrengthsWithinKL",
    "dose_at_kl",
    "dose_to_flip",
    "mean_kl",
    "strength_within_kl",
    "strengths_at_kl",
]
