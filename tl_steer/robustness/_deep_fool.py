"""Steps to where a linearised margin is zero, for every prompt of a batch at once."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.batching import halving
from tl_steer.errors import SteerError
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.protocol import device_of
from tl_steer.robustness._prompt_metric import PromptMetric
from tl_steer.robustness._shift import Shift
from tl_steer.scopes import Scope
from tl_steer.shapes import Examples, Rows
from tl_steer.steering import Steering
from tl_steer.trained import batches

Vectors = Float[Tensor, "row d"]

_WORTH_IT = 0.99
"""A smaller flip is one of at most this share of the norm."""

_LEAST_RATE = 0.25

_LEAST = 1e-4
"""No step is for less than this, in the metric's units: without overshoot, and from a tie, the
boundary would be reached and not crossed."""


@dataclass(frozen=True, eq=False)
class Attack:
    """Looks for a small vector at one hook point that makes a metric of each prompt positive."""

    metric: PromptMetric
    at: str
    scope: Scope | slice
    steps: int
    overshoot: float

    def on_all(self, max_tokens: int | None) -> tuple[Rows, Examples]:
        """Search for every prompt; gradients must be on, and kept for no parameter.

        Returns:
            The metric without change, and the vector; zero where the metric is positive already,
            NaN where no flip was found.

        Raises:
            SteerError: When no prompt's metric depends on the hook point.
            NonFiniteError: For a metric that is NaN or infinite.
        """
        model, lengths = self.metric.experiment.model, self.metric.lengths
        n, shape = len(lengths), site_shape(self.metric.experiment.model, self.at)
        margins, vectors = torch.zeros(n), torch.zeros(n, math.prod(shape))
        depends = False
        for batch in batches(model, lengths, max_tokens).of(range(n)):
            for part, (before, found, felt) in halving(self._on, batch):
                margins[part], vectors[part] = before.cpu(), found.cpu()
                depends |= felt
        if not depends:
            raise SteerError(
                f"Nothing added at {self.at} in the scope {self.scope!r} changes these answers. "
                "Does the scope hold a token of the prompt that the last one can read?"
            )
        return margins, vectors.view(n, *shape)

    def _on(self, prompts: list[int]) -> tuple[Rows, Vectors, bool]:
        width = math.prod(site_shape(self.metric.experiment.model, self.at))
        device = device_of(self.metric.experiment.model)
        vectors = torch.zeros(len(prompts), width, device=device)
        best, aims = torch.full_like(vectors, math.nan), torch.zeros_like(vectors)
        smallest = torch.full((len(prompts),), math.inf, device=device)
        rates = torch.ones(len(prompts), device=device)
        before, depends = torch.zeros_like(smallest), False
        going = torch.arange(len(prompts), device=device)
        # One pass more than there are steps, to see where the last one led.
        for step in range(self.steps + 1):
            here = vectors[going]
            margin, slope = self._slope([prompts[row] for row in going.tolist()], here)
            if step == 0:
                before, depends = margin, bool((slope != 0).any())
            norm, flipped = here.norm(dim=1), margin > 0
            gained = flipped & (norm <= _WORTH_IT * smallest[going])
            smaller = flipped & (norm < smallest[going])
            best[going[smaller]], smallest[going[smaller]] = here[smaller], norm[smaller]
            straight, nearest = _steps(here, margin, slope, self.overshoot)
            aims[going] = torch.where(gained[:, None], nearest, aims[going])
            # Where the boundary bends too much for a whole step, half of it may do.
            rate = torch.where(gained, 1.0, torch.where(flipped, rates[going] / 2, rates[going]))
            rates[going] = rate
            part = best[going] + rate[:, None] * (aims[going] - best[going])
            after = torch.where(flipped[:, None], part, straight)
            kept = after.isfinite().all(1) & (~flipped | ((rate >= _LEAST_RATE) & (norm > 0)))
            vectors[going[kept]] = after[kept]
            going = going[kept]
            if not len(going):
                break
        return before, best, depends

    def _slope(self, prompts: list[int], vectors: Vectors) -> tuple[Rows, Vectors]:
        """The metric of each row, and its gradient."""
        shape = site_shape(self.metric.experiment.model, self.at)
        at = vectors.detach().requires_grad_()
        shift = Shift(at.view(len(prompts), *shape), self.at, scope=self.scope)
        margin = self.metric.together(prompts, Steering(shift))
        if not margin.requires_grad:
            return margin.float(), torch.zeros_like(vectors)
        (slope,) = torch.autograd.grad(margin.sum(), at)
        return margin.detach().float(), slope


def _steps(at: Vectors, margin: Rows, slope: Vectors, overshoot: float) -> tuple[Vectors, Vectors]:
    """The linearised boundary, straight on; and the point of it that is nearest to the origin."""
    size = (slope**2).sum(1)
    ahead = margin.clamp(max=-_LEAST)
    straight = at - ((1 + overshoot) * ahead / size)[:, None] * slope
    along = (slope * at).sum(1) - margin
    return straight, ((1 + overshoot) * along / size)[:, None] * slope
