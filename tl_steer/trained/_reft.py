"""ReFT-r1: a direction trained to detect a property and to write it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tl_steer.arguments import Count, NotNegative, checked
from tl_steer.batching import halving
from tl_steer.data import ContrastSet, plain_texts
from tl_steer.directions import Direction, Provenance
from tl_steer.errors import DataError
from tl_steer.lens.forward import run_to_layer
from tl_steer.lens.hook_names import layer_of, site_shape
from tl_steer.lens.places import Place, hook_name
from tl_steer.lens.protocol import SteerableModel, model_info, require_steerable
from tl_steer.lens.tokens import Chat, tokenize
from tl_steer.shapes import Acts
from tl_steer.trained._continuations import (
    Batches,
    Row,
    batches,
    log_probs,
    mean_norm,
    padded,
    rows_of,
)
from tl_steer.trained._fit import Fit
from tl_steer.trained._frozen import edited, frozen, reading, wide, zeros_at
from tl_steer.trained._sphere import Flat, sphere
from tl_steer.trained._training import Task, TrainedDirection, split, train

Latents = Float[Tensor, "batch pos"]
"""``aₜ = ReLU(hₜ·w)``; zero where no token counts."""


@checked
def reft_r1(
    model: SteerableModel,
    texts: ContrastSet | Sequence[str],
    *,
    at: Place,
    prompts: Sequence[str] | None = None,
    top_k: Count = 8,
    sparsity: NotNegative = 1.0,
    fit: Fit = Fit(),  # noqa: B008, frozen
    chat: Chat | None = None,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> TrainedDirection:
    """Train a direction that detects a property by projection and writes it by addition.

    With unit ``w``, latents ``aₜ = ReLU(hₜ·w)`` of a text's tokens ``t`` (all but the first), ``K``
    the ``k`` largest of them, and ``s`` the mean norm of the activations::

        h'ₜ = hₜ + (1/k) Σ_{i ∈ K} aᵢ · w
        w   = argmin  −mean log p(token | tokens before, h') + λ mean_{t ∉ K} aₜ / s

    ReFT-r1 of AxBench (Wu et al. 2025, https://arxiv.org/abs/2501.17148). The first term is the
    mean over the tokens that are predicted, the second the sum of the other latents over the number
    of tokens; ``λ`` grows from 0 linearly over the steps, as in the authors' code. They do not
    divide by ``s``, which makes one ``λ`` mean the same at every layer. It trains only on texts
    that have the property. During training, what is added to a token also depends on later tokens,
    so the loss is lower than steering can reach.

    Args:
        model: Any TransformerLens model; it is left as it was.
        texts: Texts that have the property; the positive ones of a contrast set.
        at: Where it reads and writes: a hook name, or the number of a layer for the residual
            stream after it, which the authors take.
        prompts: What each text answers, in the same order; then all of the text's tokens are
            predicted. Without prompts, all but the first of each text are.
        top_k: ``k``.
        sparsity: ``λ`` at the last step.
        fit: Steps, speed, batches of texts and held-out texts, which are judged by the first term
            alone. The learning rate, by default 0.2, is in multiples of a typical number of ``w``,
            ``1/√d``.
        chat: Puts each prompt into the chat template.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        The direction ``v = m w``, with ``m`` the mean over the texts of a text's largest latent:
        strength 1 adds to every token what the strongest token of a positive text has. Its
        ``scale`` is ``s``.

    Raises:
        HookNameError: For a hook point that the model lacks.
        DataError: For too few texts, texts beyond the context or of one token, prompts that are
            not as many as the texts, when no step lowered the held-out loss, or where no token of
            any text is detected in the end.
        SteerError: For numbers out of their range.
        NonFiniteError: For NaN or infinity, with the step.
    """
    require_steerable(model)
    name = hook_name(model, at)
    rows = _rows(model, texts, prompts, chat)
    trained_on, apart = split(len(rows), fit)
    grouped = batches(model, [len(prompt) + len(text) for prompt, text in rows], max_tokens)
    with frozen(model):
        scale = mean_norm(model, [prompt + text for prompt, text in rows], name)
        detector = _Detector(model, name, rows, top_k)
        like = zeros_at(model, name)
        among = sphere(1.0, [], like)
        start = among.start(torch.Generator().manual_seed(fit.seed))
        # Where no latent is above zero there is no gradient: begin on the side that has more.
        if detector.largest(-start, grouped) > detector.largest(start, grouped):
            start = -start

        def losses(vector: Flat, index: list[int], step: int) -> Tensor:
            surprise, others = detector.losses(vector, index)
            return surprise + sparsity * step / fit.steps * others / scale

        task = Task(
            start,
            losses,
            trained_on,
            grouped,
            unit=1 / math.sqrt(len(like)),
            learning_rate=0.2,
            sphere=among,
            held_out=apart,
            score=lambda vector, index: detector.losses(vector, index)[0],
            label="reft_r1",
        )
        outcome = train(task, fit, progress=progress)
        unit = among.onto(outcome.vector)
        largest = detector.largest(unit, grouped)
    if not largest > 0:
        raise DataError(
            f"{name}: no token of any text is detected. Lower sparsity, or try another seed or "
            "layer."
        )
    origin = Provenance(
        model=model_info(model),
        method=f"ReFT-r1 (k {top_k}, step {outcome.best_step} of {fit.steps}, seed {fit.seed})",
        data=texts.name if isinstance(texts, ContrastSet) else "",
        n_positive=len(trained_on),
        read="every token",
        left_out=f"{len(rows)} first",
        version=version("tl_steer"),
    )
    direction = Direction(largest * unit.view(site_shape(model, name)), name, scale, origin)
    return TrainedDirection(direction, outcome.losses, outcome.best_step, outcome.stopped_at)


def latents_of(acts: Acts, unit: Flat, counted: Bool[Tensor, "batch pos"]) -> Latents:
    """Compute ``aₜ = ReLU(hₜ·w)`` in float32 or better, zero where a token does not count."""
    return torch.relu(wide(acts.flatten(2)) @ unit) * counted


def top_mean(
    latents: Latents, counted: Bool[Tensor, "batch pos"], top_k: int
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Mean of the ``k`` largest latents of each row, and the sum of the others over the tokens.

    A row of fewer than ``k`` tokens has as many as there are.
    """
    tokens = counted.sum(-1)
    largest = latents.topk(min(top_k, latents.shape[1]), dim=-1).values.sum(-1)
    return largest / tokens.clamp(1, top_k), (latents.sum(-1) - largest) / tokens.clamp(min=1)


@dataclass(frozen=True, eq=False)
class _Detector:
    """What a direction finds in texts, and how it changes their likelihood."""

    model: SteerableModel
    at: str
    rows: list[Row]
    top_k: int

    def losses(self, unit: Flat, index: list[int]) -> tuple[Tensor, Tensor]:
        """Mean surprise of each text's tokens, and the latents that are not among the largest."""
        rows = [self.rows[i] for i in index]
        counted = self._counted(rows)
        others: list[Tensor] = []

        def edit(acts: Tensor) -> Tensor:
            largest, rest = top_mean(latents_of(acts, unit, counted), counted, self.top_k)
            others.append(rest)
            shift = (largest[:, None] * counted)[..., None] * unit
            return acts + shift.view_as(acts).to(acts)

        with edited(self.model, self.at, edit):
            likelihood = log_probs(self.model, rows)
        lengths = likelihood.new_tensor([len(text) for _, text in rows])
        return -likelihood / lengths, others[0].to(likelihood)

    @torch.no_grad()
    def largest(self, unit: Flat, grouped: Batches) -> float:
        """Mean over the texts of a text's largest latent."""

        def run(part: list[int]) -> Tensor:
            rows = [self.rows[i] for i in part]
            with reading(self.model, self.at) as passed:
                batch = padded(self.model, [prompt + text for prompt, text in rows])
                run_to_layer(self.model, batch, layer_of(self.at))
            return latents_of(passed[0], unit, self._counted(rows)).max(dim=1).values.sum()

        found = [
            float(total)
            for batch in grouped.of(range(len(self.rows)))
            for _, total in halving(run, batch)
        ]
        return sum(found) / len(self.rows)

    def _counted(self, rows: list[Row]) -> Tensor:
        batch = padded(self.model, [prompt + text for prompt, text in rows])
        batch.real[:, 0] = False
        return batch.real


def _rows(
    model: SteerableModel,
    texts: ContrastSet | Sequence[str],
    prompts: Sequence[str] | None,
    chat: Chat | None,
) -> list[Row]:
    plain = texts.positive if isinstance(texts, ContrastSet) else plain_texts(texts, "texts")
    if not plain:
        raise DataError("Expected texts that have the property, got none.")
    if prompts is not None:
        before = plain_texts(prompts, "prompts")
        if len(before) != len(plain):
            raise DataError(
                f"Got {len(before)} prompts and {len(plain)} texts. Give one prompt for each text."
            )
        return rows_of(model, before, plain, chat=chat)
    if chat is not None:
        raise DataError("chat= puts prompts into the chat template, so it needs prompts=.")
    whole = tokenize(model, plain)
    for number, row in enumerate(whole):
        if len(row) < 2:
            raise DataError(f"text {number} has one token, so there is nothing to predict.")
    return [(row[:1], row[1:]) for row in whole]
