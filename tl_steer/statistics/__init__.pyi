"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._divergence import kl_divergence as kl_divergence
from ._statistics import (
    DRAWS as DRAWS,
    Interval as Interval,
    chance_of_sigma,
    holm,
    mean_interval as mean_interval,
    paired_difference,
    prompts_of as prompts_of,
    rank_p_value,
    sigma_above,
)

__all__ = [
    "chance_of_sigma",
    "holm",
    "paired_difference",
    "rank_p_value",
    "sigma_above",
]
