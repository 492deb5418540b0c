"""How much likelier one continuation is than another, in the steered model's own eyes."""

from collections.abc import Sequence

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from tl_steer.arguments import Count, checked
from tl_steer.data import plain_texts
from tl_steer.directions import Direction
from tl_steer.errors import DataError, MismatchError
from tl_steer.interventions import Add
from tl_steer.lens.parts import reads_of
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.resumed import can_resume
from tl_steer.lens.tokens import Chat
from tl_steer.metrics._continuation_scores import Continuations, Scores
from tl_steer.metrics._resumed_scores import log_probs_resumed
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Rows
from tl_steer.steering import Steering, SteeringLike, as_steering


@checked
def likelihood_contrast(
    model: SteerableModel,
    prompts: Sequence[str],
    positive: str | Sequence[str],
    negative: str | Sequence[str],
    steering: SteeringLike | None = None,
    *,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> Rows:
    """Contrast two continuations of each prompt.

    ::

        contrast = Σ log p(token of y₊ | x, tokens before) − Σ log p(token of y₋ | x, tokens before)

    in nats. Where both are one token, that is ``logit(y₊) − logit(y₋)``. Sums are not divided by
    length: of continuations with different numbers of tokens the shorter one begins ahead, which
    shifts the contrast of a prompt and leaves its change under steering to mean what it says.

    Nothing is generated and nothing is drawn, so that there is no noise and no judge.

    Args:
        model: Any TransformerLens model.
        prompts: Texts ``x``.
        positive: ``y₊``: one for all prompts, or one for each. In most tokenizers a word that
            follows others begins with a space: ``" good"``.
        negative: ``y₋``.
        steering: What to do; prompts count as prompts, continuations as generated. Settings per row
            are for the prompts.
        chat: Puts each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token; ``None`` does what
            TransformerLens does with this model, or leaves it to the chat template.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        One number for each prompt, float32, on the CPU.

    Raises:
        DataError: For no prompt, continuations that do not fit the prompts, are without a token or
            the same on both sides, or too long for the context.
        MismatchError: For settings of another number of rows than prompts, or another model's.
    """
    require_steerable(model)
    steering = None if steering is None else as_steering(steering)
    read = _pairs(model, prompts, positive, negative, chat, prepend_bos)
    n_rows = None if steering is None else steering.n_rows
    if n_rows not in (None, read.n_prompts):
        raise MismatchError(
            f"Got settings for {n_rows} rows and {read.n_prompts} prompts. Give one for each, or "
            "one for all."
        )
    return _contrasts(read.log_probs(model, steering, max_tokens=max_tokens, progress=progress))[0]


@checked
def likelihood_contrasts(
    model: SteerableModel,
    prompts: Sequence[str],
    positive: str | Sequence[str],
    negative: str | Sequence[str],
    *,
    direction: Direction,
    strengths: Sequence[float],
    scope: Scope | slice = everywhere,
    at: str | None = None,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Contrast two continuations of each prompt while a direction is added at several strengths.

    The numbers of :func:`likelihood_contrast`; rows with strengths of their own share the passes.
    A ``HookedTransformer`` without other hooks runs the blocks below the direction only once.

    Args:
        model: Any TransformerLens model.
        prompts: Texts.
        positive: One for all prompts, or one for each.
        negative: Likewise.
        direction: What is added.
        strengths: In multiples of the direction; 0 is the model as it is.
        scope: Which tokens are steered.
        at: The hook point; by default where the direction was read.
        chat: Puts each prompt into the tokenizer's chat template.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        ``prompt_index``, ``strength`` and ``value``, a row for each prompt and strength;
        :func:`~tl_steer.metrics.steerability` reads it.

    Raises:
        DataError: As for one steering, and for no strength.
        MismatchError: For a direction of another model.
        NonFiniteError: For a strength that is NaN or infinite.
    """
    require_steerable(model)
    asked = [float(each) for each in strengths]
    if not asked:
        raise DataError("Expected several strengths, such as [-2, -1, 0, 1, 2]; got none.")
    read = _pairs(model, prompts, positive, negative, chat, prepend_bos)
    rows = [each for each in asked for _ in range(read.n_prompts)]
    add = Add(direction, rows, scope=scope, at=at)
    Steering(add).check_fits(model)
    # What a scope reads, it reads in a whole pass.
    if can_resume(model) and not reads_of(add.scope):
        found = log_probs_resumed(model, read, add, max_tokens=max_tokens, progress=progress)
    else:
        found = read.log_probs(model, Steering(add), max_tokens=max_tokens, progress=progress)
    index = pd.MultiIndex.from_product([range(read.n_prompts), asked])
    frame = index.to_frame(index=False, name=["prompt_index", "strength"])
    return frame.assign(value=_contrasts(found).T.flatten().tolist())


def _pairs(
    model: SteerableModel,
    prompts: Sequence[str],
    positive: str | Sequence[str],
    negative: str | Sequence[str],
    chat: Chat | None,
    prepend_bos: bool | None,
) -> Continuations:
    """Rows for both sides: the positive ones first, in the order of the prompts."""
    given = plain_texts(prompts, "prompts")
    sides = [
        _of_each(texts, len(given), what)
        for texts, what in ((positive, "positive"), (negative, "negative"))
    ]
    following = [(number, text) for side in sides for number, text in enumerate(side)]
    read = Continuations.of(model, given, following, chat=chat, prepend_bos=prepend_bos)
    for number, (one, other) in enumerate(
        zip(read.tokens[: len(given)], read.tokens[len(given) :], strict=True)
    ):
        if one == other:
            raise DataError(
                f"prompt {number}: {sides[0][number]!r} and {sides[1][number]!r} are the same "
                "tokens, so neither can be likelier. Give continuations that differ."
            )
    return read


def _of_each(texts: str | Sequence[str], n_prompts: int, what: str) -> tuple[str, ...]:
    several = plain_texts([texts] if isinstance(texts, str) else texts, what)
    if len(several) not in (1, n_prompts):
        raise DataError(
            f"Got {len(several)} {what} continuations and {n_prompts} prompts. Give one for each, "
            "or one for all."
        )
    return several * n_prompts if len(several) == 1 else several


def _contrasts(scores: Scores) -> Float[Tensor, "setting prompt"]:
    positive, negative = scores.chunk(2, dim=1)
    return positive - negative
