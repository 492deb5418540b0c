"""BiPO: a direction that makes one kind of answer likelier, and its opposite the other kind."""

import math
from importlib.metadata import version

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tl_steer.arguments import Count, Positive, checked
from tl_steer.batching import halving
from tl_steer.data import Preferences
from tl_steer.directions import Direction, Provenance
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.places import Place, hook_name
from tl_steer.lens.protocol import SteerableModel, model_info, require_steerable
from tl_steer.lens.tokens import Chat
from tl_steer.trained._continuations import Batches, Row, batches, log_probs, mean_norm, rows_of
from tl_steer.trained._fit import Fit
from tl_steer.trained._frozen import added, edited, frozen, zeros_at
from tl_steer.trained._training import Task, TrainedDirection, split, train

Margins = Float[Tensor, " pair"]
"""``log π(chosen) − log π(rejected)`` of each pair, in nats."""


@checked
def bipo(
    model: SteerableModel,
    preferences: Preferences,
    *,
    at: Place,
    beta: Positive = 0.1,
    fit: Fit = Fit(),  # noqa: B008, frozen
    chat: Chat | None = None,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> TrainedDirection:
    """Train a direction on preferences: ``+v`` prefers the chosen answer, ``−v`` the rejected one.

    With ``M(v) = log π(r_T | A + v) − log π(r_O | A + v)`` the margin of the chosen answer over
    the rejected one when ``v`` is added to every token's activation ``A``::

        v = argmin  −E_{d ∈ {−1, 1}} log σ(d β (M(d v) − M(0)))

    Cao et al. (2024, https://arxiv.org/abs/2406.00045). Log-probabilities are sums over the
    answer's tokens; those without ``v`` are computed once. Training starts at zero. The sign is
    drawn for each pair and step; held-out pairs are judged under both. Unlike the authors, it uses
    no weight decay, and draws a sign for each pair rather than each batch.

    Args:
        model: Any TransformerLens model; it is left as it was.
        preferences: Prompts with two answers each.
        at: Where the vector is added: a hook name, or the number of a layer for the residual
            stream after it. The authors take the residual stream near the middle.
        beta: ``β``; the smaller, the further the margins move before the loss saturates.
        fit: Steps, speed, batches of pairs and held-out pairs. The learning rate, by default 0.01,
            is in multiples of a typical number of an activation there, its mean norm over ``√d``:
            no step changes ``v`` by much more than this relative dose.
        chat: Puts each prompt into the chat template.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        The direction at its trained length: strength 1 is ``d = 1``. Its ``scale``
        is the mean norm over the tokens of the chosen answers and their prompts.

    Raises:
        HookNameError: For a hook point that the model lacks.
        DataError: For texts beyond the context, too few pairs to hold some out, or when no step
            lowered the held-out loss.
        SteerError: For numbers out of their range.
        NonFiniteError: For NaN or infinity, with the step.
    """
    require_steerable(model)
    name = hook_name(model, at)
    trained_on, apart = split(len(preferences), fit)
    pairs = _pairs(model, preferences, chat)
    shape = site_shape(model, name)
    generator = torch.Generator().manual_seed(fit.seed)
    signs = torch.randint(2, (fit.steps + 1, len(pairs)), generator=generator) * 2 - 1
    grouped = _grouped(model, pairs, max_tokens)
    with frozen(model):
        scale = mean_norm(model, [prompt + text for (prompt, text), _ in pairs], name)
        reference = _margins(model, pairs, grouped)

        def loss(vector: Tensor, index: list[int], drawn: Tensor) -> Tensor:
            # A chosen answer and its rejected one stand one behind the other, under one sign.
            both = drawn.repeat_interleave(2)
            with edited(model, name, added(vector.view(shape), both)):
                margins = _margin(model, [pairs[i] for i in index])
            gained = margins - reference[index].to(margins)
            return preference_loss(gained, drawn.to(gained), beta)

        def judged(vector: Tensor, index: list[int]) -> Tensor:
            one = torch.ones(len(index))
            return (loss(vector, index, one) + loss(vector, index, -one)) / 2

        task = Task(
            zeros_at(model, name),
            lambda vector, index, step: loss(vector, index, signs[step, index]),
            trained_on,
            grouped,
            unit=scale / math.sqrt(math.prod(shape)),
            learning_rate=0.01,
            held_out=apart,
            score=judged,
            label="bipo",
        )
        outcome = train(task, fit, progress=progress)
    origin = Provenance(
        model=model_info(model),
        method=f"BiPO (beta {beta:g}, step {outcome.best_step} of {fit.steps}, seed {fit.seed})",
        data=preferences.name,
        n_positive=len(trained_on),
        n_negative=len(trained_on),
        read="every token",
        version=version("tl_steer"),
    )
    direction = Direction(outcome.vector.view(shape), name, scale, origin)
    return TrainedDirection(direction, outcome.losses, outcome.best_step, outcome.stopped_at)


def preference_loss(
    gained: Float[Tensor, " pair"], signs: Float[Tensor, " pair"], beta: float
) -> Float[Tensor, " pair"]:
    """Compute ``−log σ(d β ΔM)``.

    Args:
        gained: ``ΔM = M(d v) − M(0)``, in nats.
        signs: ``d``, 1 or −1.
        beta: ``β``.
    """
    return softplus(-beta * signs * gained)


@checked
def preference_margins(
    model: SteerableModel,
    preferences: Preferences,
    *,
    chat: Chat | None = None,
    max_tokens: Count | None = None,
) -> Margins:
    """Measure how much the model, as it is now, prefers the chosen answers.

    Inside a ``steer`` block, this measures the steered model.

    Args:
        model: Any TransformerLens model.
        preferences: Prompts with two answers each.
        chat: Puts each prompt into the chat template.
        max_tokens: Padded tokens in a batch; by default from memory.

    Returns:
        ``log π(chosen) − log π(rejected)`` for each pair, on the CPU.

    Raises:
        DataError: For texts beyond the context.
    """
    require_steerable(model)
    pairs = _pairs(model, preferences, chat)
    return _margins(model, pairs, _grouped(model, pairs, max_tokens))


def _pairs(
    model: SteerableModel, preferences: Preferences, chat: Chat | None
) -> list[tuple[Row, Row]]:
    chosen = rows_of(model, preferences.prompts, preferences.chosen, chat=chat)
    rejected = rows_of(model, preferences.prompts, preferences.rejected, chat=chat)
    return list(zip(chosen, rejected, strict=True))


def _grouped(
    model: SteerableModel, pairs: list[tuple[Row, Row]], max_tokens: int | None
) -> Batches:
    # Both answers run in one batch, padded to the longer.
    return batches(
        model,
        [2 * max(len(prompt) + len(text) for prompt, text in pair) for pair in pairs],
        max_tokens,
    )


@torch.no_grad()
def _margins(model: SteerableModel, pairs: list[tuple[Row, Row]], grouped: Batches) -> Margins:
    found: dict[int, float] = {}
    for batch in grouped.of(range(len(pairs))):
        for part, margins in halving(lambda part: _margin(model, [pairs[i] for i in part]), batch):
            found.update(zip(part, margins.tolist(), strict=True))
    return torch.tensor([found[i] for i in range(len(pairs))], dtype=torch.float64)


def _margin(model: SteerableModel, pairs: list[tuple[Row, Row]]) -> Tensor:
    each = log_probs(model, [row for pair in pairs for row in pair])
    return each[0::2] - each[1::2]
