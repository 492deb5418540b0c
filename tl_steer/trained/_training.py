"""The loop that all trained directions share."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor
from tqdm.auto import tqdm

from tl_steer.arguments import checked
from tl_steer.batching import halving
from tl_steer.directions import Direction
from tl_steer.errors import DataError, NonFiniteError, SteerError
from tl_steer.trained._continuations import Batches
from tl_steer.trained._sphere import Flat, Sphere

Losses = Callable[[Flat, list[int], int], Float[Tensor, " row"]]
"""From a vector, some examples and the step to the loss of each; differentiable."""

Scores = Callable[[Flat, list[int]], Float[Tensor, " row"]]
"""The same for held-out examples; of no step."""


@checked
@dataclass(frozen=True, eq=False)
class TrainedDirection:
    """A direction that was trained, and how the training went."""

    direction: Direction
    """Of the step with the lowest held-out loss; of the last, where nothing was held out."""

    losses: pd.DataFrame
    """A row for each step: ``step``, ``train`` (over that step's examples) and ``held_out`` (NaN
    where it was not measured), both of the vector as that step found it."""

    best_step: int
    """The step whose vector this is."""

    stopped_at: int
    """The last step that was taken; fewer than asked for where the held-out loss stood still."""

    def plot(self) -> Figure:
        """Draw the loss by step."""
        from tl_steer.trained._training_curve import training_curve

        return training_curve(self.losses)


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how fast.

    Raises:
        SteerError: For a number that is out of its range.
    """

    steps: int
    learning_rate: float
    """Of Adam, in multiples of ``unit``; falls linearly to zero."""

    batch_size: int
    """Examples a step."""

    patience: int
    """Held-out measurements without improvement that are borne."""

    every: int
    """Steps between held-out measurements."""

    seed: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("steps", "batch_size", "patience", "every"):
            if getattr(self, name) < 1:
                raise SteerError(f"{name}={getattr(self, name)}: a whole number from 1 on.")
        if not 0 < self.learning_rate < math.inf:
            raise SteerError(
                f"learning_rate={self.learning_rate}: a positive number; 0.01 to 0.1 is usual."
            )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the loop found."""

    vector: Flat
    losses: pd.DataFrame
    best_step: int
    stopped_at: int


def split(n: int, held_out: float, seed: int) -> tuple[list[int], list[int]]:
    """Divide examples at random into those trained on and those held out.

    Args:
        n: How many there are.
        held_out: Which share is held out, rounded, but at least one; 0 for none.
        seed: The same seed gives the same parts.

    Raises:
        SteerError: For a share outside 0 to 1.
        DataError: When none would be left to train on.
    """
    if not 0 <= held_out < 1:
        raise SteerError(f"held_out={held_out}: a share from 0 to below 1; 0.2 is usual.")
    kept_apart = max(1, round(n * held_out)) if held_out else 0
    if kept_apart >= n:
        raise DataError(
            f"{n} examples, of which {kept_apart} would be held out, leave none to train on. Give "
            "more, or held_out=0."
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    return sorted(order[kept_apart:]), sorted(order[:kept_apart])


def train(
    start: Flat,
    losses: Losses,
    *,
    rows: Sequence[int],
    batches: Batches,
    schedule: Schedule,
    unit: float,
    sphere: Sphere | None = None,
    held_out: Sequence[int] = (),
    score: Scores | None = None,
    best_of_train: bool = False,
    label: str = "train",
    progress: bool = True,
) -> Outcome:
    """Lower the mean loss by Adam, and return the best vector that was met.

    Adam's first steps change every number by the learning rate. ``unit`` makes that a relative
    change: the vector is kept in multiples of it.

    Args:
        start: In the activation's units.
        losses: Of examples of a step.
        rows: The examples to train on; drawn without replacement until all were.
        batches: How they are grouped.
        schedule: Steps and speed.
        unit: The size of one number of a vector, in the activation's units.
        sphere: Where the vector is to stay; gradients are projected and steps brought back.
        held_out: Examples that choose the step and end the training.
        score: Their loss.
        best_of_train: Whether the training loss chooses the step: where it is that of all
            examples, and the same function at every step.
        label: What the bar says.
        progress: Whether to show it.

    Raises:
        NonFiniteError: For a loss or gradient of NaN or infinity, naming the step.
        SteerError: Where the vector does not reach the loss.
        DataError: When no step lowered the held-out loss.
    """
    vector = (start.detach() / unit).clone().requires_grad_(True)
    optimizer = torch.optim.Adam([vector], lr=schedule.learning_rate)
    draws = _draws(rows, schedule)
    table: list[tuple[int, float, float]] = []
    best, best_step, best_loss, waited = vector.detach().clone(), 0, math.inf, 0
    with tqdm(total=schedule.steps, desc=label, unit="step", disable=not progress) as bar:
        for step in range(schedule.steps + 1):
            last = step == schedule.steps
            loss, gradient = _measure(vector, losses, next(draws), step, batches, unit)
            measured = bool(held_out) and (last or step % schedule.every == 0)
            judged = math.nan
            if measured and score is not None:
                judged = _mean(vector.detach() * unit, score, held_out, batches)
                if not math.isfinite(judged):
                    raise _not_finite("held-out loss", step)
            table.append((step, loss, judged))
            bar.set_postfix(loss=f"{loss:.4g}")
            chooses = judged if held_out else (loss if best_of_train else -step)
            if chooses < best_loss:
                best, best_step, best_loss = vector.detach().clone(), step, chooses
                waited = 0
            elif measured:
                waited += 1
            if last or waited >= schedule.patience:
                break
            _move(vector, gradient, optimizer, schedule, step, sphere, unit)
            bar.update()
    if held_out and best_step == 0:
        raise DataError(
            f"{label}: in {table[-1][0]} steps the held-out loss never fell below {best_loss:.4g}, "
            "that of the start: nothing was learned that carries over. Bring more examples, change "
            "learning_rate, or take the last step with held_out=0."
        )
    frame = pd.DataFrame(table, columns=["step", "train", "held_out"])
    return Outcome(best * unit, frame, best_step, table[-1][0])


def _move(
    vector: Flat,
    gradient: Flat,
    optimizer: torch.optim.Adam,
    schedule: Schedule,
    step: int,
    sphere: Sphere | None,
    unit: float,
) -> None:
    if sphere is not None:
        gradient = sphere.tangent(vector.detach(), gradient)
    vector.grad = gradient
    optimizer.param_groups[0]["lr"] = schedule.learning_rate * (1 - step / schedule.steps)
    optimizer.step()
    if sphere is not None:
        with torch.no_grad():
            vector.copy_(sphere.onto(vector) / unit)


def _measure(
    vector: Flat, losses: Losses, rows: list[int], step: int, batches: Batches, unit: float
) -> tuple[float, Flat]:
    """Mean loss of some examples, and its gradient by the vector in multiples of ``unit``."""
    total, gradient = 0.0, torch.zeros_like(vector)

    def run(part: list[int]) -> tuple[Tensor, Tensor]:
        loss = losses(vector * unit, part, step).sum() / len(rows)
        if not loss.requires_grad:
            raise SteerError(
                "the loss does not depend on the vector: nothing leads from where it is added to "
                "where its effect is measured. Choose other hook points."
            )
        (slope,) = torch.autograd.grad(loss, vector)
        return loss.detach(), slope

    for batch in batches.of(rows):
        for _, (loss, slope) in halving(run, batch):
            total += float(loss)
            gradient += slope
    if not math.isfinite(total) or not bool(torch.isfinite(gradient).all()):
        raise _not_finite("loss" if not math.isfinite(total) else "gradient", step)
    return total, gradient


@torch.no_grad()
def _mean(vector: Flat, score: Scores, rows: Sequence[int], batches: Batches) -> float:
    total = 0.0
    for batch in batches.of(rows):
        for _, scores in halving(lambda part: score(vector, part), batch):
            total += float(scores.sum())
    return total / len(rows)


def _draws(rows: Sequence[int], schedule: Schedule) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(schedule.seed)
    while True:
        order = torch.randperm(len(rows), generator=generator).tolist()
        for first in range(0, len(order), schedule.batch_size):
            yield [rows[i] for i in order[first : first + schedule.batch_size]]


def _not_finite(what: str, step: int) -> NonFiniteError:
    return NonFiniteError(
        f"step {step}: the {what} is NaN or infinite. Lower learning_rate; or, if the model runs "
        "in float16, load it in bfloat16 or float32."
    )
