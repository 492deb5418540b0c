"""What is asked for, a request for each text, and the settings that belong to it."""

from collections.abc import Hashable, Sequence

from torch import Tensor

from tl_steer.errors import MismatchError
from tl_steer.generation._continuing import Request
from tl_steer.lens.tokens import TokenIds
from tl_steer.steering import Steering


def requests_of(
    name: str,
    prompts: Sequence[TokenIds],
    uniforms: Tensor,
    steering: Steering | None,
    own: Steering | None,
) -> list[Request]:
    """Ask for the continuations of all prompts under one condition, the samples of each together.

    Args:
        name: Of the condition.
        prompts: Token ids.
        uniforms: Random numbers, a row for each text.
        steering: What acts on the batch.
        own: What the condition says of its own rows.
    """
    samples = len(uniforms) // len(prompts)
    return [
        Request(
            prompts[row // samples],
            uniforms[row],
            _reading(name, row, steering, own, len(prompts), samples),
            name,
        )
        for row in range(len(uniforms))
    ]


def _reading(
    name: str,
    row: int,
    steering: Steering | None,
    own: Steering | None,
    prompts: int,
    samples: int,
) -> Hashable:
    """What the settings of a row do to its prompt, as far as they are known to do the same."""
    if steering is None or steering.reads_prompts_alike:
        return None
    if own is None or own.n_rows is None:
        return name
    return name, row // samples if own.n_rows == prompts else row


def require_rows(steering: Steering, prompts: int, samples: int) -> None:
    """Refuse settings of another number of rows.

    Raises:
        MismatchError: With what fits.
    """
    if steering.n_rows not in (None, prompts, prompts * samples):
        raise MismatchError(
            f"settings for {steering.n_rows} rows came with {prompts} prompts of {samples} "
            f"samples; give one for each prompt, or {prompts * samples}, or one for all."
        )


def for_rows(steering: Steering | None, prompts: int, samples: int) -> Steering | None:
    """Give settings of each prompt to all of its samples."""
    if steering is None or steering.n_rows in (None, prompts * samples):
        return steering
    return steering.rows([row // samples for row in range(prompts * samples)])
