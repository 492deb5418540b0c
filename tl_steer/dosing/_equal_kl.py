"""Equal KL: the doses at which steerings change the next token by the same amount, on average."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.arguments import Positive, checked
from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.directions import AnyDirection
from tl_steer.errors import DataError, MismatchError, NonFiniteError
from tl_steer.lens.forward import run_logits
from tl_steer.lens.paths import host_for
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of, require_steerable
from tl_steer.lens.tokens import TokenIds, pad, pad_id, tokenize
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Rows
from tl_steer.statistics import kl_divergence
from tl_steer.steering import Steering, SteeringLike, along, as_steering, in_part, merged

NEAR = 0.02
"""A search ends within this share of its limit, below it."""

_TRIES = 16


@checked
@dataclass(frozen=True, eq=False)
class NextTokenKL:
    """Measures what steering does to the token after each of some prompts.

    With the next-token distributions ``p`` of the steered and ``q`` of the unsteered model::

        KL(steered ‖ unsteered) = Σ p log(p / q), in nats
    """

    model: SteerableModel
    prompts: Sequence[TokenIds]
    unsteered: Float[Tensor, "prompt d_vocab"]
    """Log-probabilities of the token after each prompt, where nothing is done."""

    @classmethod
    def on(cls, model: SteerableModel, prompts: Sequence[str]) -> "NextTokenKL":
        """Read the prompts with the model as it is.

        Raises:
            DataError: For no prompt.
        """
        if not prompts:
            raise DataError("Expected at least one prompt to measure on, got none.")
        return cls.on_rows(model, tokenize(model, prompts))

    @classmethod
    def on_rows(cls, model: SteerableModel, rows: Sequence[TokenIds]) -> "NextTokenKL":
        """Read prompts that are token ids already."""
        found: dict[int, Tensor] = {}
        for part, log_probs in _log_probs(model, rows, Steering()):
            found.update(zip(part, log_probs, strict=True))
        return cls(model, rows, torch.stack([found[row] for row in range(len(rows))]))

    def of_rows(self, steering: SteeringLike, rows: Sequence[TokenIds] | None = None) -> Rows:
        """KL of each row.

        Args:
            steering: What to do; settings per row are for the rows.
            rows: Token ids; row ``r`` is compared with prompt ``r % number of prompts``. By
                default the prompts, as often as the steering has rows for them.

        Raises:
            MismatchError: For other numbers of rows than a multiple of the prompts.
        """
        steering = as_steering(steering)
        if rows is None:
            rows = [*self.prompts] * max(1, (steering.n_rows or 0) // len(self.prompts))
        if len(rows) % len(self.prompts) or steering.n_rows not in (None, len(rows)):
            raise MismatchError(
                f"Got settings for {steering.n_rows} rows and {len(rows)} rows, and "
                f"{len(self.prompts)} prompts. Give as many rows, or a multiple of them."
            )
        found = torch.zeros(len(rows))
        for part, log_probs in _log_probs(self.model, rows, steering):
            before = self.unsteered[[row % len(self.prompts) for row in part]]
            found[part] = kl_divergence(log_probs, before).cpu()
        return found

    def of_directions(
        self,
        directions: Sequence[AnyDirection],
        strengths: Sequence[float],
        *,
        scope: Scope | slice = everywhere,
    ) -> Rows:
        """Mean KL over the prompts when each direction is added at its strength.

        Rows with a direction and strength of their own share the forward passes.
        """
        n = len(self.prompts)
        added = [
            along(each, strength, scope=scope)
            for each, strength in zip(directions, strengths, strict=True)
        ]
        rows = [*self.prompts] * len(directions)
        return self.of_rows(merged(added, times=n), rows).view(len(directions), n).mean(1)


@checked
def mean_kl(model: SteerableModel, prompts: Sequence[str], steering: SteeringLike) -> float:
    """``KL(steered ‖ unsteered)`` of the token after each prompt, in nats; the mean over them.

    Raises:
        NonFiniteError: When the model's logits hold NaN, with the steering or without.
    """
    require_steerable(model)
    found = float(NextTokenKL.on(model, prompts).of_rows(steering).mean())
    if math.isnan(found):
        raise NonFiniteError(
            "The logits hold NaN, so there is no KL. Steer less, or load the model in float32."
        )
    return found


@checked
def dose_at_kl(
    model: SteerableModel,
    prompts: Sequence[str],
    made: Callable[[float], SteeringLike],
    limit: Positive,
    *,
    first: Positive = 0.1,
) -> tuple[float, float]:
    """Look for a dose with a certain mean KL, from below.

    KL grows about with the square of a small dose, so that the next guess is
    ``dose · √(limit / KL)``; where that leads out of what is known, the middle is taken.

    Returns:
        The largest dose that was found to be within the limit, and its KL.
    """
    require_steerable(model)
    measure = NextTokenKL.on(model, prompts)
    search = _Search(limit, first)
    for _ in range(_TRIES):
        search = search.after(float(measure.of_rows(made(search.dose)).mean()))
        if search.done:
            break
    return search.low, search.reached


@checked
def strengths_at_kl(
    measure: NextTokenKL,
    directions: Sequence[AnyDirection],
    limit: Positive,
    *,
    scope: Scope | slice = everywhere,
    first: Positive = 0.1,
) -> tuple[Rows, Rows]:
    """Look for the strength of each direction at which its addition has a certain mean KL.

    The search of :func:`dose_at_kl` for all directions at once.

    Args:
        measure: Of the prompts.
        directions: At one hook point, or runs of the same layers.
        limit: Nats, over 0.
        scope: Which tokens are steered.
        first: The relative dose that is tried first.

    Returns:
        The largest strengths that were found to be within the limit, and their KL: within 2 % of
        the limit, but for a direction that cannot reach it.
    """
    searches = [_Search(limit, first)] * len(directions)
    for _ in range(_TRIES):
        going = [number for number, search in enumerate(searches) if not search.done]
        if not going:
            break
        tried = [directions[n].strength_for(dose=searches[n].dose) for n in going]
        found = measure.of_directions([directions[n] for n in going], tried, scope=scope)
        for number, kl in zip(going, found.tolist(), strict=True):
            searches[number] = searches[number].after(kl)
    within = [
        each.strength_for(dose=search.low)
        for each, search in zip(directions, searches, strict=True)
    ]
    return torch.tensor(within), torch.tensor([search.reached for search in searches])


@dataclass(frozen=True)
class _Search:
    """What is known of the dose at which a KL is reached."""

    limit: float
    dose: float
    """To be tried next."""
    low: float = 0.0
    """The largest that was within the limit."""
    high: float = math.inf
    """One that was over it."""
    reached: float = 0.0
    """KL at ``low``."""

    @property
    def done(self) -> bool:
        return self.reached >= (1 - NEAR) * self.limit

    def after(self, kl: float) -> "_Search":
        """What is known after the KL at ``dose`` was measured; NaN is over."""
        if kl <= self.limit:
            known = replace(self, low=self.dose, reached=kl)
        else:
            known = replace(self, high=self.dose)
        # A little under the limit, so that it is reached from below.
        guess = self.dose * min(3.0, ((1 - NEAR / 2) * self.limit / max(kl, 1e-9)) ** 0.5)
        middle = (known.low + min(known.high, 3 * self.dose)) / 2
        return replace(known, dose=guess if known.low < guess < known.high else middle)


def _log_probs(
    model: SteerableModel, rows: Sequence[TokenIds], steering: Steering
) -> Iterator[tuple[list[int], Float[Tensor, "row d_vocab"]]]:
    """Of the token after each row, batch by batch: the numbers of the rows, and theirs."""
    device = device_of(model)
    host = host_for(model, steering.hook_names)

    @torch.inference_mode()
    def run(index: list[int]) -> Tensor:
        chosen = [rows[i] for i in index]
        lengths = [len(row) for row in chosen]
        batch = pad(chosen, side="right", pad_id=pad_id(model)).to(device)
        own = steering if steering.n_rows is None else steering.rows(index)
        with in_part(host, own, prompt_lengths=lengths):
            logits = run_logits(host, batch)
        last = torch.tensor(lengths, device=logits.device) - 1
        return logits[torch.arange(len(index), device=logits.device), last].float().log_softmax(-1)

    room = 8 * int(model.cfg.d_vocab) * dtype_of(model).itemsize
    limit = default_max_tokens(device, bytes_per_token=room)
    for batch in length_sorted([len(row) for row in rows], max_tokens=limit):
        yield from halving(run, batch)
