"""The loop that all trained directions share."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

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
from tl_steer.trained._fit import Fit
from tl_steer.trained._sphere import Flat, Sphere

Losses = Callable[[Flat, list[int], int], Float[Tensor, " row"]]
"""From a vector, some examples and the step to the loss of each; differentiable."""

Scores = Callable[[Flat, list[int]], Float[Tensor, " row"]]
"""The same for held-out examples; of no step."""


@checked
@dataclass(frozen=True, eq=False)
class TrainedDirection:
    """A trained direction and the history of its training."""

    direction: Direction
    """From the step with the lowest held-out loss; from the last step if nothing was held out."""

    losses: pd.DataFrame
    """A row for each step: ``step``, ``train`` (over that step's examples) and ``held_out`` (NaN
    where it was not measured), both of the vector as that step found it."""

    best_step: int
    """The step of this vector."""

    stopped_at: int
    """The last step taken; earlier than asked for if the held-out loss stopped improving."""

    def plot(self) -> Figure:
        """Draw the loss by step."""
        from tl_steer.trained._training_curve import training_curve

        return training_curve(self.losses)


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be learned: where it starts, what it costs, and from which examples."""

    start: Flat
    """In the activation's units."""

    losses: Losses
    """Of some examples at a step."""

    rows: Sequence[int]
    """The examples to train on; drawn without replacement until all were."""

    batches: Batches
    """How they are grouped."""

    unit: float
    """The size of one number of a vector, in the activation's units."""

    learning_rate: float
    """In multiples of ``unit``, where the fit names none."""

    sphere: Sphere | None = None
    """Where the vector stays: gradients are projected and steps brought back."""

    held_out: Sequence[int] = ()
    """Examples that choose the step and end the training."""

    score: Scores | None = None
    """The loss of these."""

    best_of_train: bool = False
    """Whether the training loss chooses the step, which needs the same examples at every step."""

    label: str = "train"
    """What the progress bar says."""


@dataclass(frozen=True, eq=False)
class Best:
    """The best vector so far, in multiples of the unit."""

    vector: Flat
    step: int = 0
    loss: float = math.inf
    waited: int = 0
    """Held-out measurements since."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the loop found."""

    vector: Flat
    losses: pd.DataFrame
    best_step: int
    stopped_at: int


def split(n: int, fit: Fit) -> tuple[list[int], list[int]]:
    """Divide examples at random into those trained on and those held out.

    Of ``n`` examples the fit's share is held out, rounded, but at least one unless it is 0.

    Raises:
        DataError: When none would be left to train on.
    """
    kept_apart = max(1, round(n * fit.held_out)) if fit.held_out else 0
    if kept_apart >= n:
        raise DataError(
            f"holding out {kept_apart} of {n} examples leaves none to train on. Give more "
            "examples, or Fit(held_out=0)."
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(fit.seed)).tolist()
    return sorted(order[kept_apart:]), sorted(order[:kept_apart])


def train(task: Task, fit: Fit, *, progress: bool = True) -> Outcome:
    """Lower the mean loss by Adam, and return the best vector that was met.

    Adam's first steps change every number by the learning rate. The task's ``unit`` makes that a
    relative change: the vector is kept in multiples of it.

    Raises:
        NonFiniteError: For a loss or gradient of NaN or infinity, naming the step.
        SteerError: Where the vector does not reach the loss.
        DataError: When no step lowered the held-out loss.
    """
    vector = (task.start.detach() / task.unit).clone().requires_grad_(True)
    rate = task.learning_rate if fit.learning_rate is None else fit.learning_rate
    optimizer = torch.optim.Adam([vector], lr=rate)
    draws = _draws(task.rows, fit)
    table: list[tuple[int, float, float]] = []
    best = Best(vector.detach().clone())
    with tqdm(total=fit.steps, desc=task.label, unit="step", disable=not progress) as bar:
        for step in range(fit.steps + 1):
            last = step == fit.steps
            loss, gradient = _measure(task, vector, next(draws), step)
            measured = bool(task.held_out) and (last or step % fit.every == 0)
            judged = _held_out(task, vector, step) if measured else math.nan
            table.append((step, loss, judged))
            bar.set_postfix(loss=f"{loss:.4g}")
            chooses = judged if task.held_out else (loss if task.best_of_train else -step)
            if chooses < best.loss:
                best = Best(vector.detach().clone(), step, chooses)
            elif measured:
                best = replace(best, waited=best.waited + 1)
            if last or best.waited >= fit.patience:
                break
            optimizer.param_groups[0]["lr"] = rate * (1 - step / fit.steps)
            _move(task, vector, gradient, optimizer)
            bar.update()
    if task.held_out and best.step == 0:
        raise DataError(
            f"{task.label}: in {table[-1][0]} steps the held-out loss never fell below "
            f"{best.loss:.4g}, that of the start: nothing was learned that carries over. Give more "
            "examples, change learning_rate, or take the last step with held_out=0."
        )
    frame = pd.DataFrame(table, columns=["step", "train", "held_out"])
    return Outcome(best.vector * task.unit, frame, best.step, table[-1][0])


def _move(task: Task, vector: Flat, gradient: Flat, optimizer: torch.optim.Adam) -> None:
    sphere = task.sphere
    vector.grad = gradient if sphere is None else sphere.tangent(vector.detach(), gradient)
    optimizer.step()
    if sphere is not None:
        with torch.no_grad():
            vector.copy_(sphere.onto(vector) / task.unit)


def _measure(task: Task, vector: Flat, rows: list[int], step: int) -> tuple[float, Flat]:
    """Mean loss of some examples, and its gradient by the vector in multiples of the unit."""
    total, gradient = 0.0, torch.zeros_like(vector)

    def run(part: list[int]) -> tuple[Tensor, Tensor]:
        loss = task.losses(vector * task.unit, part, step).sum() / len(rows)
        if not loss.requires_grad:
            raise SteerError(
                "The loss does not depend on the vector: nothing leads from where it is added to "
                "where its effect is measured. Choose other hook points."
            )
        (slope,) = torch.autograd.grad(loss, vector)
        return loss.detach(), slope

    for batch in task.batches.of(rows):
        for _, (loss, slope) in halving(run, batch):
            total += float(loss)
            gradient += slope
    if not math.isfinite(total) or not bool(torch.isfinite(gradient).all()):
        raise _not_finite("loss" if not math.isfinite(total) else "gradient", step)
    return total, gradient


@torch.no_grad()
def _held_out(task: Task, vector: Flat, step: int) -> float:
    """Mean loss of the held-out examples; NaN without a way to score them."""
    score = task.score
    if score is None:
        return math.nan
    total, current = 0.0, vector.detach() * task.unit
    for batch in task.batches.of(task.held_out):
        for _, scores in halving(lambda part: score(current, part), batch):
            total += float(scores.sum())
    mean = total / len(task.held_out)
    if not math.isfinite(mean):
        raise _not_finite("held-out loss", step)
    return mean


def _draws(rows: Sequence[int], fit: Fit) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(fit.seed)
    while True:
        order = torch.randperm(len(rows), generator=generator).tolist()
        for first in range(0, len(order), fit.batch_size):
            yield [rows[i] for i in order[first : first + fit.batch_size]]


def _not_finite(what: str, step: int) -> NonFiniteError:
    return NonFiniteError(
        f"step {step}: the {what} is NaN or infinite. Lower learning_rate; or, if the model runs "
        "in float16, load it in bfloat16 or float32."
    )
