"""Passes that begin in the middle of the model, from the residual stream of an earlier pass.

Where one thing is tried many times at one layer, the blocks below it need to run only once.
``HookedTransformer`` can begin anywhere. ``TransformerBridge`` cannot on TransformerLens 3; on
TransformerLens 4 it takes ``start_at_layer`` but runs the blocks below all the same, so that
nothing would be saved.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from tl_steer.lens.holding import alone
from tl_steer.lens.protocol import SteerableModel, is_bridge
from tl_steer.lens.tokens import Batch

Residual = Float[Tensor, "batch pos d_model"]
"""The residual stream that enters a block."""


def can_resume(model: SteerableModel) -> bool:
    """Whether a pass may begin in the middle of this model, and that saves anything.

    Not on a bridge. Not while anybody else's hooks sit on the model: they could not know which
    tokens such a pass is about. Not for shortformer positions, which enter at every block.
    """
    if is_bridge(model):
        return False
    if getattr(model.cfg, "positional_embedding_type", "") == "shortformer":
        return False
    return not any(point.fwd_hooks for point in model.hook_dict.values())


@alone
def residual_before(model: SteerableModel, batch: Batch, layer: int) -> Residual:
    """Run the embedding and the blocks before ``layer``; return what would enter that block.

    Args:
        model: One that can resume.
        batch: Padded rows.
        layer: 0 for the embedding alone; the number of layers for what enters the final norm.
    """
    run: Any = model
    residual: Residual = run(batch.tokens, attention_mask=batch.real.long(), stop_at_layer=layer)
    return residual


@alone
def residual_after(model: SteerableModel, residual: Residual, batch: Batch, layer: int) -> Residual:
    """Run the blocks from ``layer`` to the last; return what enters the final norm.

    Args:
        model: One that can resume.
        residual: What enters the block ``layer``; with the number of layers it comes back as it is.
        batch: The rows that it came from; only their mask is used.
        layer: The first block that runs.
    """
    run: Any = model
    after: Residual = run(
        residual,
        start_at_layer=layer,
        attention_mask=batch.real.long(),
        stop_at_layer=int(model.cfg.n_layers),
    )
    return after


@alone
def unembedded(
    model: SteerableModel, residual: Float[Tensor, "place d_model"]
) -> Float[Tensor, "place d_vocab"]:
    """Logits of what enters the final norm, at those places where they are wanted.

    Args:
        model: One that can resume.
        residual: At any tokens; nothing passes from one to another here.
    """
    run: Any = model
    logits: Float[Tensor, "place d_vocab"] = run(
        residual[None], start_at_layer=int(model.cfg.n_layers)
    )[0]
    return logits
