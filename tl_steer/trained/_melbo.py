"""MELBO: directions that change later activations most, found without labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.arguments import Count, Measured, checked
from tl_steer.batching import halving
from tl_steer.data import plain_texts
from tl_steer.directions import Direction, Provenance
from tl_steer.errors import DataError, HookNameError, SteerError
from tl_steer.lens.forward import run_to_layer
from tl_steer.lens.hook_names import layer_of, site_of, site_shape
from tl_steer.lens.places import Place, hook_name
from tl_steer.lens.protocol import SteerableModel, model_info, require_steerable
from tl_steer.lens.tokens import Chat, TokenIds, tokenize
from tl_steer.trained._continuations import Batches, batches, mean_norm, padded
from tl_steer.trained._fit import Fit, require_whole
from tl_steer.trained._frozen import added, edited, frozen, reading, wide, zeros_at
from tl_steer.trained._sphere import Flat, sphere
from tl_steer.trained._training import Task, train

DEFAULT_DOSE = 0.5
"""Radius as a multiple of the mean norm of the activations, where none is given."""

_ORDER = (
    ("hook_resid_pre",),
    ("attn.hook_q", "attn.hook_k", "attn.hook_v"),
    ("attn.hook_z",),
    ("hook_attn_out",),
    ("hook_resid_mid",),
    ("mlp.hook_pre",),
    ("mlp.hook_post",),
    ("hook_mlp_out",),
    ("hook_resid_post",),
)
"""What comes first within a block."""


@checked
@dataclass(frozen=True, eq=False)
class MelboResult:
    """Directions that were found without labels, in the order in which they were found."""

    directions: tuple[Direction, ...]
    """Each of norm ``radius``, and orthogonal to those before it."""

    changes: tuple[float, ...]
    """The objective that each reached: how much it changes the later activations."""

    radius: Measured
    """In the activation's units."""

    losses: pd.DataFrame
    """``vector`` (from 1), ``step``, ``train`` (minus the objective) and ``held_out`` (NaN)."""

    def __len__(self) -> int:
        """How many directions."""
        return len(self.directions)

    def __getitem__(self, index: int) -> Direction:
        """Return one direction, counted from 0 in the order found."""
        return self.directions[index]


@checked
def melbo(
    model: SteerableModel,
    prompts: Sequence[str],
    *,
    at: Place,
    until: Place,
    n: Count = 4,
    radius: float | None = None,
    power: float = 2.0,
    root: float | None = None,
    tokens: slice = slice(1, None),
    fit: Fit = Fit(steps=60),  # noqa: B008, frozen
    chat: Chat | None = None,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> MelboResult:
    """Find vectors of a given length that change later activations most.

    With ``Zᵢₜ(θ)`` the activation of prompt ``i`` and token ``t`` at ``until`` when ``θ`` is added
    to every token at ``at``, over prompts ``i = 1 … m``::

        θₖ = argmax  (1/m) Σᵢ (Σₜ ‖Zᵢₜ(θ) − Zᵢₜ(0)‖ᵖ)^(1/q)     ‖θ‖ = R,  θ ⊥ θ₁ … θₖ₋₁

    Mack and Turner (2024), "Mechanistically eliciting latent behaviors in language models"
    (https://www.lesswrong.com/posts/ioPnHKFyy4Cw2Gr2x). It uses no labels, so you cannot
    know what a direction does until you read what the model writes under it. As in the paper,
    gradients are projected onto the tangent of the sphere and steps of Adam brought back to it;
    each search starts at random, among the vectors orthogonal to the earlier ones.

    Args:
        model: Any TransformerLens model; it is left as it was.
        prompts: One is enough; what it leaves open limits what can be found.
        at: Where the vector is added, to every token: a hook name, or the number of a layer for
            the residual stream after it. The authors take the MLP's output.
        until: Where the change is measured; after ``at``.
        n: How many directions; the cost grows with it.
        radius: ``R``, in the activation's units. By default half the mean norm of the
            activations at ``at``: relative dose 0.5.
        power: ``p``, at least 1; large values favour the tokens that change most.
        root: ``q``; by default ``p``.
        tokens: Which tokens of each prompt count, as a slice. The first is left out by default: as
            an attention sink, it would outweigh all others.
        fit: Steps for each direction, speed, and the seed of the random starts. The learning rate,
            by default 0.3, is in multiples of a typical number of ``θ``, ``R/√d``. Every prompt is
            used at every step, and none is held out.
        chat: Puts each prompt into the chat template.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        The directions. Their ``scale`` is the mean norm at ``at`` over the prompts' tokens, the
        first and massive ones left out.

    Raises:
        HookNameError: For hook points that the model lacks, or an ``until`` that is not after
            ``at``.
        DataError: For no prompts, prompts beyond the context, or of which no token counts.
        SteerError: For numbers out of their range, or where nothing at ``until`` changes.
        NonFiniteError: For NaN or infinity, with the step.
    """
    require_steerable(model)
    name, later = _places(model, at, until)
    texts = plain_texts(prompts, "prompts")
    if not texts:
        raise DataError("Expected at least one prompt, got none.")
    root = power if root is None else root
    _check_numbers(n, math.prod(site_shape(model, name)), radius, power, root)
    require_whole(fit, "melbo")
    rows = _rows(model, texts, tokens, chat)
    grouped = batches(model, [len(row) for row in rows], max_tokens)
    with frozen(model):
        scale = mean_norm(model, rows, name)
        size = DEFAULT_DOSE * scale if radius is None else float(radius)
        change = _Change(model, rows, name, later, tokens, float(power), float(root))
        vectors, frames = _searched(change, grouped, n, size, fit, progress)
    origin = Provenance(
        model=model_info(model),
        method=f"of {n} (to {later}, {fit.steps} steps, seed {fit.seed})",
        data=f"{len(rows)} prompts",
        read=f"tokens {tokens.start or 0} to {tokens.stop or 'the end'}",
        version=version("tl_steer"),
    )
    found = tuple(
        Direction(vector, name, scale, replace(origin, method=f"MELBO {number} {origin.method}"))
        for number, vector in enumerate(vectors, start=1)
    )
    losses = pd.concat(frames, ignore_index=True)[["vector", "step", "train", "held_out"]]
    return MelboResult(found, tuple(float(-each["train"].min()) for each in frames), size, losses)


def _rows(
    model: SteerableModel, texts: Sequence[str], tokens: slice, chat: Chat | None
) -> list[TokenIds]:
    rows = tokenize(model, texts, chat=chat)
    for number, row in enumerate(rows):
        if not row[tokens]:
            raise DataError(
                f"prompt {number} has {len(row)} tokens, none of which is in {tokens}. Give a "
                "longer prompt, or other tokens."
            )
    return rows


def _searched(
    change: "_Change", grouped: Batches, n: int, size: float, fit: Fit, progress: bool
) -> tuple[list[Tensor], list[pd.DataFrame]]:
    """Search one vector after the other, each orthogonal to those before it."""
    like = zeros_at(change.model, change.at)
    unchanged = change.unchanged(grouped)
    generator = torch.Generator().manual_seed(fit.seed)
    found: list[Flat] = []
    frames: list[pd.DataFrame] = []
    for number in range(1, n + 1):
        among = sphere(size, found, like)
        task = Task(
            among.start(generator),
            lambda vector, index, _: -change.of(vector, index, unchanged),
            range(len(change.rows)),
            grouped,
            unit=size / math.sqrt(len(like)),
            learning_rate=0.3,
            sphere=among,
            best_of_train=True,
            label=f"melbo {number} of {n}",
        )
        outcome = train(task, replace(fit, batch_size=len(change.rows)), progress=progress)
        # Free of what rounding a multiple of the unit has left of the others.
        found.append(among.onto(outcome.vector))
        frames.append(outcome.losses.assign(vector=number))
    shape = site_shape(change.model, change.at)
    return [vector.view(shape) for vector in found], frames


@dataclass(frozen=True, eq=False)
class _Change:
    """How far a vector moves the later activations."""

    model: SteerableModel
    rows: Sequence[TokenIds]
    at: str
    until: str
    tokens: slice
    power: float
    root: float

    @torch.no_grad()
    def unchanged(self, grouped: Batches) -> dict[int, Tensor]:
        """Activations at ``until`` of each row, as the model is."""
        kept: dict[int, Tensor] = {}
        for batch in grouped.of(range(len(self.rows))):
            for part, later in halving(self._later, batch):
                for place, row in enumerate(part):
                    kept[row] = later[place, : len(self.rows[row])].clone()
        return kept

    def of(
        self, vector: Flat, index: list[int], unchanged: dict[int, Tensor]
    ) -> Float[Tensor, " row"]:
        """The objective of each of some rows."""
        with edited(self.model, self.at, added(vector.view(site_shape(self.model, self.at)))):
            later = self._later(index)
        each = []
        for place, row in enumerate(index):
            before = unchanged[row]
            moved = (wide(later[place, : len(before)]) - wide(before))[self.tokens]
            each.append((moved.flatten(1).norm(dim=-1) ** self.power).sum() ** (1 / self.root))
        return torch.stack(each)

    def _later(self, index: list[int]) -> Tensor:
        with reading(self.model, self.until) as passed:
            batch = padded(self.model, [self.rows[i] for i in index])
            run_to_layer(self.model, batch, layer_of(self.until))
        return passed[0]


def _places(model: SteerableModel, at: Place, until: Place) -> tuple[str, str]:
    name, later = hook_name(model, at), hook_name(model, until)
    if _place(later) <= _place(name):
        raise HookNameError(
            f"until={until!r} does not come after at={at!r}, so that nothing added there changes "
            f'it. Take a later one: "blocks.{int(model.cfg.n_layers) - 1}.hook_resid_post".'
        )
    return name, later


def _place(name: str) -> tuple[int, int]:
    (step,) = [number for number, sites in enumerate(_ORDER) if site_of(name) in sites]
    return layer_of(name), step


def _check_numbers(n: int, width: int, radius: float | None, power: float, root: float) -> None:
    if not 1 <= n <= width:
        raise SteerError(
            f"n={n}: expected 1 to {width}, the number of directions that can be orthogonal there."
        )
    if radius is not None and not 0 < radius < math.inf:
        raise SteerError(
            f"radius={radius}: expected a positive length in the activation's units, or None for "
            "half their mean norm."
        )
    if not 1 <= power < math.inf or not 0 < root < math.inf:
        raise SteerError(
            f"power={power}, root={root}: expected a power of at least 1 and a root over 0; 2 and "
            "2 are usual."
        )
