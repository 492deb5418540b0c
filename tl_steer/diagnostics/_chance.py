"""What directions that know nothing reach on the same texts."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.errors import DataError

Known = Float[Tensor, "draw d"]


def chance_d_prime(
    train: Activations,
    held_out: Activations,
    hook_name: str,
    *,
    draws: int = 400,
    quantile: float = 0.99,
    seed: int = 0,
) -> float:
    """The |d′| on held-out texts that directions which know nothing hardly ever pass.

    Texts vary most along a few dimensions, and a direction that happens to lie along these may
    tell classes apart without having been told of them. Two kinds of ignorance are drawn, and the
    higher of the two quantiles is returned: random directions, and mean differences of the
    training activations under shuffled labels (within pairs, where there are pairs). Their sign
    means nothing, so the size counts.

    Args:
        train: What the direction was computed from, with vectors.
        held_out: Other texts.
        hook_name: Captured in both.
        draws: Of each kind.
        quantile: Of their ``|d′|``.
        seed: Of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    width = train[hook_name].flatten(1).shape[1]
    kinds = (
        torch.randn(draws, width, generator=generator, dtype=torch.float64),
        _shuffled(train, hook_name, draws, generator),
    )
    return max(
        float(np.quantile(_sizes(held_out, hook_name, directions), quantile))
        for directions in kinds
    )


def _sizes(held_out: Activations, hook_name: str, directions: Known) -> Float[np.ndarray, " draw"]:
    both = (held_out.positive(hook_name), held_out.negative(hook_name))
    positive, negative = (side.flatten(1).double() @ directions.T for side in both)
    spread = ((positive.var(0) + negative.var(0)) / 2).sqrt()
    gap = (positive.mean(0) - negative.mean(0)).abs()
    found: np.ndarray = torch.where(spread > 0, gap / spread, torch.zeros_like(gap)).numpy()
    return found


def _shuffled(train: Activations, hook_name: str, draws: int, generator: torch.Generator) -> Known:
    vectors = train[hook_name].flatten(1).double()
    vectors = vectors - vectors.mean(0)
    texts = train.text_index[hook_name]
    classes = train.is_positive
    if classes is None:
        raise DataError(f"{hook_name}: texts without classes have no labels to shuffle.")
    if train.paired:
        pairs = len(classes) // 2
        first = torch.rand(draws, pairs, generator=generator) < 0.5
        labels = torch.cat([first, ~first], dim=1)
    else:
        order = torch.rand(draws, len(classes), generator=generator).argsort(1)
        labels = classes[order]
    signs = labels[:, texts].double()
    positive, negative = (
        side @ vectors / side.sum(1, keepdim=True).clamp(min=1) for side in (signs, 1 - signs)
    )
    return positive - negative
