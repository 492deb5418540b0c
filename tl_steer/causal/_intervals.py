"""Bootstrap intervals of means over prompts, of many sites at once."""

import torch
from jaxtyping import Float
from torch import Tensor

DRAWS = 2000


def resampled(n_prompts: int, *, seed: int) -> Float[Tensor, "draw prompt"]:
    """How often each prompt is in each of 2,000 samples with replacement; float64."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n_prompts, (DRAWS, n_prompts), generator=generator)
    counts = torch.zeros(DRAWS, n_prompts, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))


def means(
    effects: Float[Tensor, "site prompt"], counts: Float[Tensor, "draw prompt"]
) -> Float[Tensor, "draw site"]:
    """Mean effect of each site in each sample; prompts that lack a site (NaN) are left out of it.

    NaN where a sample holds no prompt that has the site.
    """
    there = ~effects.isnan()
    found: Tensor = (counts @ effects.nan_to_num(0).T) / (counts @ there.double().T)
    return found


def intervals(
    effects: Float[Tensor, "site prompt"], *, seed: int
) -> tuple[Float[Tensor, " site"], Float[Tensor, " site"]]:
    """Ends of the 95 % percentile interval of each site's mean; NaN for fewer than two prompts."""
    drawn = means(effects, resampled(effects.shape[1], seed=seed))
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = drawn.nanquantile(ends, dim=0)
    few = (~effects.isnan()).sum(1) < 2
    return low.masked_fill(few, torch.nan), high.masked_fill(few, torch.nan)
