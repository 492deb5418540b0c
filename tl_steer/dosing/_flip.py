"""The adversarial use of a direction: the smallest dose of it that flips an answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool
from matplotlib.figure import Figure
from torch import Tensor

from tl_steer.arguments import Count, checked
from tl_steer.causal import LogitDifference
from tl_steer.directions import Direction
from tl_steer.drawing.canvas import blank_figure, legend_above, level, titled
from tl_steer.drawing.colours import COLOURS
from tl_steer.errors import SteerError
from tl_steer.interventions import Add
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat
from tl_steer.page.html import result_html
from tl_steer.robustness import Answers, PromptMetric, RowMask, each_of, narrowed
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Rows
from tl_steer.steering import Steering


@checked
@dataclass(frozen=True, eq=False)
class DosesToFlip:
    """How much of a direction each prompt bears; made by :func:`dose_to_flip`."""

    frame: pd.DataFrame
    """One row a prompt: ``prompt_index``, ``prompt``, ``answer``, ``other``, ``margin`` (without
    steering, ``logit(other) − logit(answer)``), ``strength`` and relative ``dose`` ``‖αv‖ / ‖h‖``
    of the smallest flip that was found (infinite where there is none, 0 where the other answer was
    ahead already), and ``returns`` (whether a larger dose brings the answer back)."""

    curve: pd.DataFrame
    """The scan: ``prompt_index``, ``strength``, ``dose`` and ``margin``, for every prompt at every
    dose that was tried first."""

    direction: Direction

    most: float
    """The largest relative dose that was tried."""

    @property
    def held(self) -> pd.DataFrame:
        """The prompts whose answer was the asked one before anything was added."""
        return self.frame[self.frame["dose"] > 0]

    @property
    def median(self) -> float:
        """Median dose of those prompts; infinite where most do not flip, NaN for no prompt."""
        return float(self.held["dose"].median())

    def share_flipped(self, dose: float) -> float:
        """Share of those prompts that a smaller dose, or this one, flips; NaN for no prompt."""
        return float((self.held["dose"] <= dose).mean())

    def plot(self) -> Figure:
        """Margins by dose, a line a prompt; and the share of answers that are flipped."""
        figure, (margins, share) = blank_figure(4.8, 2)
        for _, rows in self.curve.groupby("prompt_index"):
            margins.plot(rows["dose"], rows["margin"], color=COLOURS[0], alpha=0.45, linewidth=1)
        middle = self.curve.groupby("dose")["margin"].median()
        margins.plot(middle.index, middle, color=COLOURS[1], linewidth=2, label="median")
        level(margins, 0, "the answer flips")
        doses = sorted(each for each in self.held["dose"] if math.isfinite(each))
        shares = [(number + 1) / len(self.held) for number in range(len(doses))]
        share.step(
            [0.0, *doses, self.most],
            [0.0, *shares, shares[-1] if shares else 0.0],
            where="post",
            color=COLOURS[0],
            linewidth=1.8,
        )
        margins.set(ylabel="logit(other) − logit(answer)")
        share.set(xlabel="relative dose", ylabel="share flipped", ylim=(-0.02, 1.02))
        legend_above(margins)
        return titled(
            figure,
            f"{len(doses)} of {len(self.held)} answers flip up to a relative dose of {self.most:g}",
        )

    def __repr__(self) -> str:
        """The result in words."""
        flipped = self.held["dose"].map(math.isfinite)
        return (
            f"DosesToFlip({int(flipped.sum())} of {len(self.held)} answers flip up to dose "
            f"{self.most:g}; median dose {self.median:.3g}; "
            f"{len(self.frame) - len(self.held)} were other already)"
        )

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame)


@checked
def dose_to_flip(
    model: SteerableModel,
    prompts: Sequence[str],
    answer: Answers,
    other: Answers,
    direction: Direction,
    *,
    scope: Scope | slice = everywhere,
    most: float = 2.0,
    scan: Count = 16,
    precision: float = 0.01,
    chat: Chat | None = None,
) -> DosesToFlip:
    """Find how much of a direction changes the model's answer, prompt by prompt.

    The smallest ``α > 0`` with ``logit(other) > logit(answer)`` of the token after the prompt, when
    ``αv`` is added. A margin need not grow with the dose: so ``scan`` doses are tried first,
    ``most · (k / scan)²``, closer together where they are small; then the step before the first of
    them that flips is halved, over and over. All prompts run together, in rows with strengths of
    their own.

    Two crossings within one step of the scan go unseen, so that a flip which is smaller yet is
    possible; what is reported does flip, and ``(1 − precision)`` times as much does not.

    Args:
        model: Any TransformerLens model.
        prompts: Questions, put so that the next token is the answer.
        answer: What the model should say; one for all prompts, or one for each. Of several tokens
            the first one counts. In most tokenizers a word after others begins with a space.
        other: What it should not be brought to say, likewise.
        direction: Turned to where the other answer lies; give ``-direction`` for the other way.
        scope: Which tokens are steered; some of the prompt, or nothing can change.
        most: The largest relative dose ``‖αv‖ / ‖h‖`` to try.
        scan: How many doses are tried first.
        precision: How close to the crossing, as a share of the dose.
        chat: Put each prompt into the chat template, as the user's turn.

    Returns:
        A row a prompt, the scan, and a figure.

    Raises:
        DataError: For no prompts, or answers that do not fit them or begin with the same token.
        MismatchError: For a direction of another model.
        NonFiniteError: For a zero direction, or logits that are not finite.
        SteerError: For numbers out of their range.
    """
    _check(most, scan, precision)
    metric = PromptMetric.of(model, prompts, LogitDifference(other, answer), chat=chat)
    direction.check_fits(model)
    # Refuses directions without a scale, for which there is no dose.
    _ = direction.dose()
    per_dose = direction.strength_for(dose=1.0)
    steering = Steering(Add(direction, most * per_dose, scope=scope))
    steering.check_fits(model)
    n = len(metric.rows)
    tried = torch.tensor([most * per_dose * (step / scan) ** 2 for step in range(scan + 1)])

    def margins(rows: Sequence[int], strengths: Rows) -> Rows:
        return metric.all(steering.at_strength(**{"1": strengths}), rows)

    def flips(index: list[int], at: Rows) -> RowMask:
        return margins([open_rows[i] for i in index], at) > 0

    every = [row for row in range(n) for _ in tried]
    scanned = margins(every, tried.repeat(n)).view(n, scan + 1)
    found = torch.full((n,), math.inf)
    found[scanned[:, 0] > 0] = 0.0
    first = _first(scanned > 0)
    open_rows = [row for row in range(n) if 0 < first[row] <= scan]
    if open_rows:
        steps = torch.tensor([first[row] for row in open_rows])
        found[open_rows] = narrowed(flips, tried[steps - 1], tried[steps], precision=precision)
    frame = pd.DataFrame(
        {
            "prompt_index": range(n),
            "prompt": metric.texts,
            "answer": each_of(answer, n),
            "other": each_of(other, n),
            "margin": scanned[:, 0].tolist(),
            "strength": found.tolist(),
            "dose": (found / per_dose).tolist(),
            "returns": [
                first[row] <= scan and bool((scanned[row, first[row] :] <= 0).any())
                for row in range(n)
            ],
        }
    )
    curve = pd.DataFrame(
        {
            "prompt_index": every,
            "strength": tried.repeat(n).tolist(),
            "dose": (tried / per_dose).repeat(n).tolist(),
            "margin": scanned.flatten().tolist(),
        }
    )
    return DosesToFlip(frame, curve, direction, float(most))


def _first(flipped: Bool[Tensor, "prompt dose"]) -> list[int]:
    """The first dose that flips each prompt; their number where none does."""
    never = torch.full((len(flipped), 1), True)
    found: list[int] = torch.cat([flipped, never], dim=1).int().argmax(1).tolist()
    return found


def _check(most: float, scan: int, precision: float) -> None:
    if not 0 < most < math.inf:
        raise SteerError(
            f"most={most}: expected a positive relative dose; 2 is twice the activations."
        )
    if scan < 1 or not 0 < precision < 1:
        raise SteerError(
            f"scan={scan}, precision={precision}: expected at least 1 dose, and a share between 0 "
            "and 1."
        )
