"""What a direction says: the tokens that it makes more and less likely."""

import pandas as pd
import torch

from tl_steer.arguments import Count, checked
from tl_steer.directions import Direction, Directions
from tl_steer.errors import HookNameError, SteerError
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.unembedding import vocabulary_scores


@checked
def top_tokens(
    model: SteerableModel, directions: Directions | Direction, *, k: Count = 10
) -> pd.DataFrame:
    """The tokens whose logits a direction raises most, and lowers most, through the unembedding.

    The score is ``W_Uᵀ (γ ⊙ v̂)`` with the final norm's weight ``γ``, centred over the vocabulary
    (the logit lens, nostalgebraist 2020, of a direction). It says what the direction would do at
    the very end; directions of early layers act through the layers between, and may say nothing
    here and steer well.

    Args:
        model: The one that the directions were read from.
        directions: One or several, of sites that write to the residual stream, at any layers.
        k: How many tokens each way.

    Returns:
        A row for each hook point, ``way`` (``up`` or ``down``) and ``rank`` (from 1), with
        ``token_id``, ``token`` and ``score``, in logits for a unit vector on an activation whose
        root mean square is 1.

    Raises:
        SteerError: For a ``k`` that does not fit, or a model that cannot be read out.
        MismatchError: For directions of another model.
        HookNameError: For a site that is not as wide as the residual stream, such as
            ``attn.hook_z``.
        NonFiniteError: For a zero direction.
    """
    require_steerable(model)
    if isinstance(directions, Direction):
        directions = Directions({directions.hook_name: directions})
    width = int(model.cfg.d_model)
    for name, direction in directions.items():
        direction.check_fits(model)
        if tuple(direction.vector.shape) != (width,):
            raise HookNameError(
                f"{name} is not written to the residual stream as it is. Read tokens from "
                "hook_resid_*, hook_mlp_out or hook_attn_out."
            )
    if not directions:
        raise SteerError("Expected at least one direction, got none.")
    units = torch.stack([direction.unit.vector for direction in directions.values()])
    scores = vocabulary_scores(model, units)
    if not 1 <= k <= scores.shape[1]:
        raise SteerError(f"k={k}: expected 1 to {scores.shape[1]} tokens.")
    rows = []
    for name, own in zip(directions, scores, strict=True):
        for way, largest in (("up", True), ("down", False)):
            values, ids = own.topk(k, largest=largest)
            rows += [
                {
                    "hook_name": name,
                    "way": way,
                    "rank": rank,
                    "token_id": token,
                    "token": str(model.tokenizer.decode([token])),
                    "score": value,
                }
                for rank, (token, value) in enumerate(
                    zip(ids.tolist(), values.tolist(), strict=True), start=1
                )
            ]
    return pd.DataFrame(rows)
