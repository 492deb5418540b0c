"""A user's own scope, asked about the whole text."""

from typing import Any

from torch import Tensor

from tl_steer.arguments.whose import is_ours
from tl_steer.errors import SteerError
from tl_steer.lens.parts import reads_of


def asked(scope: Any, context: Any) -> Any:
    """What a scope says of the tokens of a pass; a user's own is asked about the whole text."""
    return scope(context) if is_ours(scope) or reads_of(scope) else of_the_whole(context, scope)


def of_the_whole(context: Any, scope: Any) -> Any:
    """What a scope says of the tokens of a pass, as it says it of the whole text.

    A scope that looks back finds what it looks for whether or not a cache holds it, and one that
    looks ahead is found out as soon as there is more text.

    Args:
        context: The pass.
        scope: A user's own.

    Returns:
        The scope's mask, or whatever else it returned in the first pass.

    Raises:
        SteerError: For what is no mask over the text, and for a scope that says of an earlier token
            what it did not say before.
    """
    whole = context.as_one_pass() if context.past else context
    mask = scope(whole)
    if not isinstance(mask, Tensor) or mask.shape != whole.shape:
        if not context.past:
            return mask  # Whoever asks has to look at it.
        came = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise SteerError(
            f"the scope {scope!r} returned {came}; expected a bool mask of shape {whole.shape} "
            "(batch, tokens so far)."
        )
    if "texts" in whole.after:
        context.remember("texts", whole.after["texts"])
    key = ("marked", scope)
    said = context.before.get(key)
    if context.past and said is not None:
        _require_the_same(mask, said, context, scope)
    context.remember(key, mask)
    return mask[:, context.past :]


def _require_the_same(mask: Tensor, said: Tensor, context: Any, scope: Any) -> None:
    columns = min(said.shape[1], context.past)
    positions = context.unchecked[0][:, :columns].to(mask.device)
    changed = (mask[:, :columns] != said[:, :columns]) & (positions >= 0)
    if bool(changed.any()):
        row, column = changed.nonzero()[0].tolist()
        raise SteerError(
            f"the scope {scope!r} says {bool(mask[row, column])} of the token at position "
            f"{int(positions[row, column])} of row {row}, and said otherwise before the text went "
            "on. A scope may depend on a token, its position and what stands before it: what comes "
            "after is not there yet when text is written."
        )
