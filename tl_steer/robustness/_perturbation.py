"""The smallest change of the activations that flips an answer, by gradient."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from tl_steer.arguments import Count, Index, Seed, checked
from tl_steer.causal import LogitDifference
from tl_steer.directions import Direction, Provenance
from tl_steer.drawing.canvas import blank_figure
from tl_steer.drawing.colours import COLOURS
from tl_steer.errors import SteerError
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.places import Place, hook_name
from tl_steer.lens.protocol import SteerableModel, model_info
from tl_steer.lens.tokens import Chat
from tl_steer.page.html import result_html
from tl_steer.robustness._bisection import RowMask, narrowed
from tl_steer.robustness._deep_fool import Attack
from tl_steer.robustness._prompt_metric import Answers, PromptMetric, each_of
from tl_steer.robustness._shift import Shift
from tl_steer.scopes import Scope, everywhere
from tl_steer.shapes import Examples, Rows
from tl_steer.steering import Steering
from tl_steer.trained import frozen, mean_norm


@checked
@dataclass(frozen=True, eq=False)
class Perturbations:
    """What flips each answer; made by :func:`smallest_perturbation`."""

    frame: pd.DataFrame
    """One row a prompt: ``prompt_index``, ``prompt``, ``answer``, ``other``, ``margin`` (without
    change, ``logit(other) − logit(answer)``), ``norm`` of the perturbation in the activation's
    units, relative ``dose`` ``‖r‖ / ‖h‖``, ``cosine`` with the direction that was given (NaN
    without one), and ``random_flipped``: the share of random vectors of the same norm that flip
    it. Norm and dose are 0 where the other answer was ahead already, and infinite where no flip
    was found."""

    vectors: Examples
    """One for each prompt, ``Float[Tensor, "prompt *site"]``; NaN where no flip was found."""

    directions: Mapping[int, Direction] = field(repr=False)
    """By the number of the prompt; added at strength 1 in the same scope, each flips its own."""

    hook_name: str

    @property
    def share_found(self) -> float:
        """Share of the prompts that are flipped, those that were already left out."""
        held = self.frame[self.frame["norm"] != 0]
        return float(held["norm"].map(math.isfinite).mean())

    def plot(self) -> Figure:
        """Dose that flips each prompt, from the least; and how many random vectors do as much."""
        figure, (doses, random) = blank_figure(4.4, 2)
        shown = self.frame[self.frame["norm"].between(0, math.inf, inclusive="neither")]
        ordered = shown.sort_values("dose").reset_index(drop=True)
        place = ordered.index + 1
        doses.plot(place, ordered["dose"], "o", color=COLOURS[1], markersize=5)
        random.bar(place, ordered["random_flipped"], 0.7, color=COLOURS[0])
        doses.set(ylabel="relative dose", ylim=(0, None))
        random.set(
            xlabel="prompt, by dose",
            ylabel="share of random\nvectors that flip it",
            ylim=(-0.02, 1.02),
        )
        random.xaxis.set_major_locator(MaxNLocator(integer=True))
        return figure

    def __repr__(self) -> str:
        """The result in words."""
        held = self.frame[self.frame["norm"] != 0]
        return (
            f"Perturbations({len(self.directions)} of {len(held)} answers flip at "
            f"{self.hook_name}; median dose {held['dose'].median():.3g}; random vectors of the "
            f"same norm flip {held['random_flipped'].mean():.0%})"
        )

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame)


@checked
def smallest_perturbation(
    model: SteerableModel,
    prompts: Sequence[str],
    answer: Answers,
    other: Answers,
    *,
    at: Place,
    scope: Scope | slice = everywhere,
    steps: Count = 30,
    overshoot: float = 0.02,
    precision: float = 0.01,
    direction: Direction | None = None,
    n_random: Index = 20,
    seed: Seed = 0,
    chat: Chat | None = None,
    max_tokens: Count | None = None,
) -> Perturbations:
    """Find, for each prompt, a vector of small norm that changes the model's answer.

    With the margin ``m(r) = logit(other) − logit(answer)`` of the token after the prompt, when
    ``r`` is added to every token of the scope: steps to where the linearised margin is zero::

        r ← r − (1 + η) m(r) / ‖∇m‖² · ∇m                 until m > 0
        r ← (1 + η) (∇m·r − m(r)) / ‖∇m‖² · ∇m            from there on

    The first line is DeepFool (Moosavi-Dezfooli et al. 2016, https://arxiv.org/abs/1511.04599); the
    second one, of Hasofer and Lind (1974), moves along the boundary to the point of it that is
    nearest, as far as the margin is linear; half or a quarter of such a step is taken where the
    whole does not lead to a flip at a norm that is 1 % smaller. The smallest flip is then shrunk
    along its ray until ``(1 − precision)`` times as much no longer flips. It is small, and locally
    the smallest along its ray: no search by gradient can promise that there is no smaller one
    elsewhere.

    Args:
        model: Any TransformerLens model; it is left as it was, parameters and gradients included.
        prompts: Questions, put so that the next token is the answer.
        answer: What the model should say; one for all prompts, or one for each.
        other: What it should not be brought to say, likewise.
        at: The hook point: its name, or the number of a layer for the residual stream after it.
        scope: Which tokens get the vector; some of the prompt.
        steps: At most so many gradients a prompt.
        overshoot: ``η``, 0 or more; without it steps end in front of the boundary.
        precision: How close to the boundary along the ray, as a share of the norm.
        direction: One of the same hook point's shape, to be compared with by its cosine.
        n_random: Random vectors of the same norm for each prompt; 0 for none.
        seed: Of these.
        chat: Put each prompt into the chat template, as the user's turn.
        max_tokens: Padded tokens in a batch with gradients; by default from memory.

    Returns:
        Vectors, norms and relative doses, and directions that can be added.

    Raises:
        HookNameError: For a hook point that the model lacks.
        DataError: For no prompts, or answers that do not fit them.
        MismatchError: For a direction of another model or shape.
        SteerError: For numbers out of their range, or where nothing there changes the answers: a
            scope without a token of the prompt, for example.
        NonFiniteError: For logits that are not finite.
    """
    _check(steps, overshoot, precision, n_random)
    metric = PromptMetric.of(model, prompts, LogitDifference(other, answer), chat=chat)
    name = hook_name(model, at)
    if direction is not None:
        direction.check_fits(model, name)
        _ = direction.unit
    n, shape = len(metric.rows), site_shape(model, name)
    Steering(Shift(torch.zeros(1, *shape), name, scope=scope)).check_fits(model)
    scale = mean_norm(model, metric.rows, name)
    with frozen(model):
        attack = Attack(metric, name, scope, steps, overshoot)
        margins, vectors = attack.on_all(max_tokens)

    def flips(index: list[int], factors: Rows) -> RowMask:
        rows = [open_rows[i] for i in index]
        scaled = vectors[rows] * factors.view(-1, *[1] * len(shape))
        return metric.all(Steering(Shift(scaled, name, scope=scope)), rows) > 0

    norms = vectors.flatten(1).norm(dim=1)
    open_rows = [row for row in range(n) if 0 < norms[row] < math.inf]
    if open_rows:
        ones = torch.ones(len(open_rows))
        factors = narrowed(flips, torch.zeros_like(ones), ones, precision=precision)
        vectors[open_rows] *= factors.view(-1, *[1] * len(shape))
        norms = vectors.flatten(1).norm(dim=1)
    cosines = torch.full((n,), math.nan)
    if direction is not None:
        unit = direction.unit.vector.flatten()
        cosines[open_rows] = vectors[open_rows].flatten(1) @ unit / norms[open_rows]
    needed = torch.where(norms.isnan(), math.inf, norms)
    frame = pd.DataFrame(
        {
            "prompt_index": range(n),
            "prompt": metric.texts,
            "answer": each_of(answer, n),
            "other": each_of(other, n),
            "margin": margins.tolist(),
            "norm": needed.tolist(),
            "dose": (needed / scale).tolist(),
            "cosine": cosines.tolist(),
            "random_flipped": _random_flipped(
                metric, name, scope, norms, open_rows, n_random, seed
            ).tolist(),
        }
    )
    made = {
        row: Direction(vectors[row], name, scale, _provenance(model, metric.texts[row], steps))
        for row in open_rows
    }
    return Perturbations(frame, vectors, made, name)


def _random_flipped(
    metric: PromptMetric,
    at: str,
    scope: Scope | slice,
    norms: Float[Tensor, " prompt"],
    rows: Sequence[int],
    n_random: int,
    seed: int,
) -> Rows:
    """Share of random vectors of each norm that flip; NaN where there is no norm to give them."""
    found = torch.full((len(norms),), math.nan)
    if not rows or not n_random:
        return found
    shape = site_shape(metric.experiment.model, at)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(rows), n_random, math.prod(shape), generator=generator)
    noise *= (norms[list(rows)].view(-1, 1, 1)) / noise.norm(dim=-1, keepdim=True)
    every = [row for row in rows for _ in range(n_random)]
    shift = Shift(noise.view(len(every), *shape), at, scope=scope)
    flipped = metric.all(Steering(shift), every) > 0
    found[list(rows)] = flipped.view(len(rows), n_random).float().mean(1)
    return found


def _provenance(model: SteerableModel, prompt: str, steps: int) -> Provenance:
    return Provenance(
        model=model_info(model),
        method=f"smallest perturbation found ({steps} steps)",
        data=f"{prompt[:60]!r}",
        version=version("tl_steer"),
    )


def _check(steps: int, overshoot: float, precision: float, n_random: int) -> None:
    if steps < 1 or not 0 <= overshoot < math.inf or not 0 < precision < 1 or n_random < 0:
        raise SteerError(
            f"steps={steps}, overshoot={overshoot}, precision={precision}, n_random={n_random}: "
            "expected at least 1 step, an overshoot of at least 0, a precision between 0 and 1, "
            "and n_random of at least 0."
        )
