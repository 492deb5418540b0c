"""From the residual stream to the vocabulary, whatever the final norm is."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.errors import SteerError
from tl_steer.lens.protocol import SteerableModel


@torch.no_grad()
def vocabulary_scores(
    model: SteerableModel, vectors: Float[Tensor, "vector d_model"]
) -> Float[Tensor, "vector d_vocab"]:
    """``W_Uᵀ (γ ⊙ (v − mean(v)))``: which logits an addition to the last residual stream raises.

    This is the logit lens of a direction. ``γ`` is the final norm's weight, and the mean goes only
    where that norm removes it (LayerNorm, not RMSNorm). The norm's division by the size of the
    activation is left out: it scales all tokens alike. So is the small effect that the direction
    has on that size. Scores are centred over the vocabulary, since what all logits gain changes no
    probability.

    Args:
        model: Of either class, with weights raw or folded.
        vectors: In the residual stream's units.

    Raises:
        SteerError: When the model has no final norm or no unembedding.
    """
    final, unembed = _parts(model)
    vectors = vectors.to(unembed.device, torch.float32)
    weight, centres = _norm(final, unembed)
    if centres:
        vectors = vectors - vectors.mean(dim=-1, keepdim=True)
    scores = (vectors * weight) @ unembed.float()
    return (scores - scores.mean(dim=-1, keepdim=True)).cpu()


def _parts(model: SteerableModel) -> tuple[Any, Float[Tensor, "d_model d_vocab"]]:
    final, unembed = getattr(model, "ln_final", None), getattr(model, "W_U", None)
    if final is None or unembed is None:
        raise SteerError(
            "this model has no ln_final or no W_U, so its residual stream cannot be read as tokens."
        )
    return final, unembed.detach()


def _norm(final: Any, like: Tensor) -> tuple[Float[Tensor, " d_model"], bool]:
    """The weight of a norm, and whether it removes the mean; found by asking it.

    Weights are named and stored differently (Gemma stores ``γ − 1``; folded norms have none). On
    ``±x`` with entries of ±1 and mean 0, every norm divides by 1, so that half the difference is
    ``γ ⊙ x``, without the bias. A constant input comes out as nothing but bias where the mean is
    removed.
    """
    x = torch.ones(1, 1, len(like), device=like.device, dtype=like.dtype)
    constant = (final(x) - final(-x)).float().flatten() / 2
    x[..., 1::2] = -1
    weight = x.float().flatten() * (final(x) - final(-x)).float().flatten() / 2
    return weight, bool(constant.abs().max() < 0.1 * weight.abs().max())
