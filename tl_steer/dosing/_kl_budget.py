"""A KL budget: the largest strength that changes the next token by no more than a limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.arguments import Count, Words, checked
from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.directions import Direction
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.interventions import (
    Add,
    Intervention,
    instead_of_intervention,
    n_rows,
    rows,
    with_strength,
)
from tl_steer.lens.forward import run_logits
from tl_steer.lens.paths import host_for
from tl_steer.lens.protocol import Host, SteerableModel, device_of, dtype_of, require_steerable
from tl_steer.lens.tokens import Chat, TokenIds, check_lengths, pad, pad_id, tokenize
from tl_steer.page.html import result_html
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Rows
from tl_steer.statistics import kl_divergence
from tl_steer.steering import Steering, in_part

_GRID = 8


@checked
@dataclass(frozen=True, eq=False)
class StrengthsWithinKL:
    """For each prompt, the largest strength found within a KL budget, and what was measured there.

    ``Add(direction, found.strengths)`` steers a batch of these prompts, each as strongly as that.
    """

    strengths: Rows
    """α of each prompt, float32, on the CPU."""

    kl: Rows
    """``KL(steered ‖ unsteered)`` as it was measured at that strength, in nats; no more than the
    limit."""

    over: Rows
    """The smallest strength that was measured to be over the limit; NaN where none was, so that the
    strength is ``at_most``."""

    limit: float
    prompts: tuple[str, ...] = field(repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a prompt: ``prompt``, ``strength``, ``kl``, ``over``."""
        return pd.DataFrame(
            {
                "prompt": list(self.prompts),
                "strength": self.strengths.tolist(),
                "kl": self.kl.tolist(),
                "over": self.over.tolist(),
            }
        )

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame, most=12)


def _instead(came: object) -> str:
    """Several share no strength."""
    if isinstance(came, Steering):
        return "Give one of its interventions, such as steering.active[0]."
    return instead_of_intervention(came)


@checked
def strength_within_kl(
    model: SteerableModel,
    prompts: str | Sequence[str],
    intervention: Annotated[
        Direction | Intervention,
        Words("a direction or an intervention", "directions or interventions", _instead),
    ],
    limit: float,
    *,
    tolerance: float | None = None,
    at_most: float = 8.0,
    scope: Scope | slice = everywhere,
    continuations: str | Sequence[str] | None = None,
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> StrengthsWithinKL:
    """Find each prompt's largest strength whose next-token KL stays within a limit.

    With the next-token distributions ``p`` of the steered and ``q`` of the unsteered model::

        KL(steered ‖ unsteered) = Σ p log(p / q), in nats

    at the last token of the prompt; or its mean over the positions that foretell the tokens of a
    given continuation. Equal KL is the fair footing for comparing directions; equal strength is
    none.

    KL need not grow with strength everywhere. So eight strengths up to ``at_most`` are tried from
    below, and the interval before the first that is over the limit is halved until it is as narrow
    as ``tolerance``. What is returned was measured to be within the limit, and nothing that was
    measured below it was over; between the eight, KL may have peaked unseen. All prompts of a batch
    share its forward passes, each at its own strength: ``9 + log₂(at_most / (8 · tolerance))`` of
    them at most.

    Args:
        model: Any TransformerLens model; it is left as it was.
        prompts: One or many, of any lengths.
        intervention: A direction to add, or an intervention whose strength is to be set. What it
            has for a strength now does not matter.
        limit: Nats, 0 or more; at 0 nothing is steered. Under a millionth or so, float32's rounding
            decides.
        tolerance: How near a strength is to be to one that is over the limit; a 256th of
            ``at_most`` by default.
        at_most: The largest strength that is tried, 0 or more. For the other way, turn the
            direction round: ``-direction``.
        scope: Which tokens are steered, where a direction came.
        continuations: One a prompt, taken word for word; the mean is over their tokens.
        chat: Put each prompt into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether prompts begin with a beginning-of-text token.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        Strengths, with the KL of each prompt, in the order of the prompts.

    Raises:
        SteerError: For a limit, tolerance or cap that cannot be, or an intervention that does not
            fit the model.
        DataError: For no prompts, or other numbers of continuations than of prompts.
        NonFiniteError: For a zero direction, or when the unsteered model's logits are not finite.
    """
    require_steerable(model)
    step = _checked_numbers(limit, tolerance, at_most)
    given = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    if not given:
        raise DataError("Expected at least one prompt, got none.")
    if isinstance(intervention, Direction):
        _ = intervention.unit
        intervention = Add(intervention, scope=scope)
    elif scope is not everywhere:
        raise SteerError("scope= is for a direction; this intervention has its own.")
    # Without its strength, which may be for another number of rows.
    neutral = _neutral(intervention, len(given))
    rows = tokenize(model, given, prepend_bos=prepend_bos, chat=chat)
    following = _continuations(model, continuations, given)
    check_lengths(model, [a + b for a, b in zip(rows, following, strict=True)], given)
    host = host_for(model, Steering(neutral).hook_names)
    search = _Search(host, neutral, rows, following, limit, at_most, step)
    Steering(search.at(list(range(len(rows))), torch.zeros(len(rows)))).check_fits(model)
    if max_tokens is None:
        logits = 8 * int(model.cfg.d_vocab) * dtype_of(model).itemsize
        max_tokens = default_max_tokens(device_of(model), bytes_per_token=logits)
    lengths = [len(a) + len(b) for a, b in zip(rows, following, strict=True)]
    found = torch.zeros(3, len(rows))
    found[2] = math.nan
    if limit > 0 and at_most > 0:
        with torch.inference_mode(), tqdm(total=len(rows), desc="KL", disable=not progress) as bar:
            for batch in length_sorted(lengths, max_tokens=max_tokens):
                for part, result in halving(search.run, batch):
                    found[:, part] = result
                    bar.update(len(part))
    return StrengthsWithinKL(found[0], found[1], found[2], limit, given)


@dataclass(frozen=True, eq=False)
class _Search:
    """Looks for the strengths of the rows of a batch, all at once."""

    model: Host
    neutral: Any
    rows: Sequence[TokenIds]
    following: Sequence[TokenIds]
    limit: float
    at_most: float
    tolerance: float

    def run(self, index: list[int]) -> Float[Tensor, "3 batch"]:
        """Return strength, KL, and the smallest strength that is over, of each row."""
        unsteered = self._log_probs(index, None)
        if not all(bool(torch.isfinite(each.exp()).all()) for each in unsteered):
            raise NonFiniteError("The logits of the unsteered model hold NaN or infinity.")
        within = torch.zeros(len(index))
        kl = torch.zeros(len(index))
        over = torch.full((len(index),), math.nan)
        for number in range(1, _GRID + 1):
            going = over.isnan()
            if not bool(going.any()):
                break
            tried = torch.full((len(index),), self.at_most * number / _GRID)
            self._note(index, tried, going, unsteered, (within, kl, over))
        while bool((open_ := (over - within) > self.tolerance).any()):
            middle = (within + over) / 2
            # What float32 cannot halve any more is narrow enough.
            open_ &= (middle > within) & (middle < over)
            if not bool(open_.any()):
                break
            tried = torch.where(open_, middle, within)
            self._note(index, tried, open_, unsteered, (within, kl, over))
        return torch.stack([within, kl, over])

    def at(self, index: list[int], strengths: Rows) -> Any:
        """The intervention for some rows, at strengths of their own."""
        return with_strength(rows(self.neutral, index), strengths)

    def _note(
        self,
        index: list[int],
        tried: Rows,
        asked: Tensor,
        unsteered: Sequence[Tensor],
        known: tuple[Tensor, Tensor, Tensor],
    ) -> None:
        """Measure, and write down where it is within the limit and where it is over."""
        within, kl, over = known
        steered = self._log_probs(index, tried)
        found = torch.stack(
            [kl_divergence(p, q).mean() for p, q in zip(steered, unsteered, strict=True)]
        ).cpu()
        # NaN, of a strength that the model cannot stand, is over.
        fits = asked & (found <= self.limit)
        within[fits], kl[fits] = tried[fits], found[fits]
        too_much = asked & ~fits
        over[too_much] = tried[too_much]

    def _log_probs(self, index: list[int], strengths: Rows | None) -> list[Tensor]:
        """Of the next token, at each position that is asked about: a tensor for each row."""
        texts = [self.rows[i] + self.following[i] for i in index]
        batch = pad(texts, side="right", pad_id=pad_id(self.model)).to(device_of(self.model))
        lengths = [len(self.rows[i]) for i in index]
        if strengths is None:
            logits = run_logits(self.model, batch, prompt_lengths=lengths)
        else:
            own = Steering(self.at(index, strengths))
            with in_part(self.model, own, prompt_lengths=lengths):
                logits = run_logits(self.model, batch, prompt_lengths=lengths)
        found = []
        for row, i in enumerate(index):
            first = len(self.rows[i]) - 1
            last = max(first + 1, first + len(self.following[i]))
            found.append(logits[row, first:last].float().log_softmax(-1))
        return found


def _checked_numbers(limit: float, tolerance: float | None, at_most: float) -> float:
    for name, number in {"limit": limit, "at_most": at_most}.items():
        if not math.isfinite(number) or number < 0:
            raise SteerError(f"{name}={number}: expected a finite number of at least 0.")
    if tolerance is None:
        return at_most / 256
    if not math.isfinite(tolerance) or tolerance <= 0:
        raise SteerError(f"tolerance={tolerance}: expected a finite strength over 0.")
    return tolerance


def _neutral(intervention: Intervention, prompts: int) -> Any:
    neutral = with_strength(intervention, 0.0)
    if n_rows(neutral) not in (None, prompts):
        raise MismatchError(
            f"Got settings for {n_rows(neutral)} rows and {prompts} prompts. Give one for each, or "
            "one for all."
        )
    return neutral


def _continuations(
    model: SteerableModel, continuations: str | Sequence[str] | None, prompts: Sequence[str]
) -> list[TokenIds]:
    if continuations is None:
        return [()] * len(prompts)
    texts = (continuations,) if isinstance(continuations, str) else tuple(continuations)
    if len(texts) != len(prompts):
        raise DataError(
            f"Got {len(texts)} continuations and {len(prompts)} prompts. Give one for each."
        )
    return tokenize(model, texts, prepend_bos=False)
