"""How far two distributions of the next token are apart."""

import torch
from jaxtyping import Float
from torch import Tensor


def kl_divergence(
    p: Float[Tensor, "*row d_vocab"], q: Float[Tensor, "*row d_vocab"]
) -> Float[Tensor, "*row"]:
    """Compute ``KL(p ‖ q) = Σ p log(p/q)`` of log-probabilities, in nats.

    A token that ``p`` rules out counts nothing. NaN stays NaN: logits that are not finite are never
    taken for no change.
    """
    probability = p.exp()
    terms = torch.where(probability == 0, 0.0, probability * (p - q))
    # Rounding may leave a sum of nothing a little below zero.
    return terms.sum(-1).clamp(min=0)
