"""One decision a text, made on its prompt."""

from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from tl_steer.activations import norms_of
from tl_steer.arguments import Words, checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._conditions import Condition
from tl_steer.scopes._whole_prompt import require_whole_prompt
from tl_steer.shapes import Acts, TokenMask

_MASSIVE = 10.0


@stored_as("PerPrompt")
@checked
@dataclass(frozen=True, eq=False)
class PerPrompt:
    """All tokens of texts whose prompt, as a whole, meets a condition.

    The condition is tested on the mean activation over the prompt's tokens, read as ``capture``
    does by default: without the first position and without tokens whose norm is over 10 times the
    prompt's median. So a fitted threshold is compared with what it was fitted on. For a prompt of
    one token, that token is tested.

    Raises:
        SteerError: If it is not a condition.
    """

    condition: Annotated[
        Condition,
        Words(
            "a condition, ProjectionAbove(…) or CosineAbove(…)",
            "conditions",
            "Of a scope, Latched(scope) makes one that stays.",
        ),
    ]

    last: bool = field(default=False, kw_only=True)
    """Test the prompt's last token instead of the mean, for directions read by ``LastToken()``."""

    def __call__(self, context: Context) -> TokenMask:
        """Mark all tokens of this pass, or none, row by row.

        Raises:
            SteerError: If it was not active while the prompt was read.
        """
        # Also where it is remembered: a later piece of the prompt may have come since.
        _ = context.prompt_lengths
        fires: Tensor | None = context.recall(self)
        if fires is None:
            if context.past:
                raise SteerError(
                    f"{self!r} was switched on after the prompt was read, so it does not know the "
                    "prompt. Begin the text again with it on."
                )
            require_whole_prompt(context, self)
            acts = context.read(self.condition.direction.hook_name)
            chosen = self._chosen(acts, context)
            mean = _mean(acts, chosen)
            fires = self.condition.score(mean)[:, 0] > self.condition.above
        context.remember(self, fires)
        return context.real & fires[:, None]

    def _chosen(self, acts: Acts, context: Context) -> TokenMask:
        prompt = context.real & ~context.generated
        if self.last:
            last: TokenMask = context.positions == context.prompt_lengths[:, None] - 1
            return last
        ordinary = prompt & (context.positions > 0)
        norms = norms_of(acts)
        median = norms.masked_fill(~ordinary, float("nan")).nanmedian(dim=-1, keepdim=True).values
        ordinary = ordinary & ~(norms > _MASSIVE * median)
        chosen: TokenMask = torch.where(ordinary.any(-1, keepdim=True), ordinary, prompt)
        return chosen


def _mean(acts: Acts, chosen: TokenMask) -> Tensor:
    """``Float[Tensor, "batch 1 *site"]``."""
    weights = chosen.view(*chosen.shape, *[1] * (acts.ndim - 2))
    total = torch.where(weights, acts.float(), 0.0).sum(1, keepdim=True)
    mean: Tensor = total / weights.sum(1, keepdim=True)
    return mean
