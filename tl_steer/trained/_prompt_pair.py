"""Activation addition: what two prompts differ by, position by position."""

from collections.abc import Sequence
from importlib.metadata import version

import torch

from tl_steer.activations import EveryToken, LeaveOut, Reader
from tl_steer.arguments import checked
from tl_steer.directions import Direction, Provenance, require_directions
from tl_steer.errors import DataError
from tl_steer.interventions import Add
from tl_steer.lens.places import Place, hook_name
from tl_steer.lens.protocol import SteerableModel, model_info, require_steerable
from tl_steer.lens.tokens import TokenIds, is_bos, pad, pad_id, tokenize

_ALL = LeaveOut(bos=False, first=False, massive=None)


@checked
def activation_addition(
    model: SteerableModel,
    positive_prompt: str,
    negative_prompt: str,
    *,
    at: Place = "blocks.6.hook_resid_pre",
    prepend_bos: bool | None = None,
) -> tuple[Direction, ...]:
    """Compute ``vₚ = h₊ₚ − h₋ₚ`` at every position ``p`` of a pair of prompts.

    ActAdd (Turner et al. 2023, https://arxiv.org/abs/2308.10248), for example of ``"Love"`` and
    ``"Hate"``. The shorter prompt is filled up on the right with the token of a space, or with the
    padding token where a space is no token of its own; the model reads these tokens. Positions
    that both prompts have in common at their beginning, the beginning-of-text token first of all,
    differ by nothing.

    Args:
        model: Any TransformerLens model; it is left as it was.
        positive_prompt: What the text is to be moved towards.
        negative_prompt: What it is to be moved away from.
        at: One hook name, or the number of a layer for its ``hook_resid_pre``. The default is
            where the paper found GPT-2-XL to react most.
        prepend_bos: Whether the prompts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model. Prompts that are steered must do the same.

    Returns:
        One direction a position, from the first on; for :func:`add_at_front`.

    Raises:
        HookNameError: For a hook point that the model lacks, or several.
        DataError: For prompts that are the same, or longer than the context.
        NonFiniteError: For NaN or infinity.
    """
    require_steerable(model)
    name = hook_name(model, at, site="hook_resid_pre")
    prompts = (positive_prompt, negative_prompt)
    rows = tokenize(model, prompts, prepend_bos=prepend_bos)
    length = max(map(len, rows))
    fill = _space(model)
    rows = [row + (fill,) * (length - len(row)) for row in rows]
    if rows[0] == rows[1]:
        raise DataError(f"{positive_prompt!r} and {negative_prompt!r} are the same tokens.")
    with torch.inference_mode():
        read = Reader(model, (name,), prompts, rows, EveryToken(), _ALL).run([0, 1])[name]
    positive, negative = read.vectors.clone().view(2, length, *read.vectors.shape[1:])
    differences = positive - negative
    # What was read before the first difference is the same but for rounding.
    same = [one == other for one, other in zip(*rows, strict=True)].index(False)
    differences[:same] = 0
    scale = _mean_norm(model, rows, read.vectors)
    return tuple(
        Direction(
            difference,
            name,
            scale,
            Provenance(
                model=model_info(model),
                method=f"activation addition, {positive_prompt!r} − {negative_prompt!r}",
                n_positive=1,
                n_negative=1,
                read=f"TokenAt(index={position}) of {length}",
                version=version("tl_steer"),
            ),
        )
        for position, difference in enumerate(differences)
    )


@checked
def add_at_front(directions: Sequence[Direction], strength: float = 1.0) -> tuple[Add, ...]:
    """Add each direction at its own position: ``h'ₚ = hₚ + α vₚ`` from the front of a text.

    ``ts.Steering(*add_at_front(directions, 5.0))`` is the intervention of ActAdd. Positions count
    from a row's first real token. Where the steered prompt is shorter than the pair, the tokens
    that are written at the remaining positions are steered too.

    Args:
        directions: One a position, from the first on, as :func:`activation_addition` gives them.
        strength: α; the paper has values from 1 to 15.

    Returns:
        One addition for each position at which there is anything to add.

    Raises:
        MismatchError: For something that is no direction.
        NonFiniteError: For a strength that is NaN or infinite.
    """
    return tuple(
        Add(direction, strength, scope=slice(position, position + 1))
        for position, direction in enumerate(require_directions(directions))
        if direction.norm > 0
    )


def _space(model: SteerableModel) -> int:
    ids = model.tokenizer(" ", add_special_tokens=False)["input_ids"]
    return int(ids[0]) if len(ids) == 1 else pad_id(model)


def _mean_norm(model: SteerableModel, rows: Sequence[TokenIds], vectors: torch.Tensor) -> float:
    # The beginning-of-text token is an attention sink, whose norm is no measure for the others.
    batch = pad(rows, side="right", pad_id=0)
    usual = ~is_bos(model, batch.tokens).flatten()
    return float(vectors.flatten(1).norm(dim=-1)[usual].mean())
