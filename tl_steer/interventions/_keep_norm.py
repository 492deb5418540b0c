"""Any intervention, with each token's norm kept."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.errors import MismatchError
from tl_steer.interventions._projection import flat, like, norms
from tl_steer.interventions._protocol import Edit, Intervention
from tl_steer.lens.context import Context
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.scopes import Scope
from tl_steer.strengths import Strength


@checked
@dataclass(frozen=True, eq=False)
class KeepNorm:
    """Let another intervention act, then give each token the norm that it had.

    With the other's map ``g``::

        h' = g(h) ‖h‖ / ‖g(h)‖

    Later layer norms see a token's direction only, but in the residual stream its norm decides how
    much of it the layers after change. Where several axes belong to a token, as the heads at
    ``attn.hook_z``, the norm is over all of them; ``OnHeads(KeepNorm(…))`` keeps that of each head.
    A token of which nothing is left has no norm to be given, and stays zero.

    Raises:
        MismatchError: At attention scores and patterns, which have no norm a token.
    """

    intervention: Intervention
    """Whose strength, scope and hook point these are."""

    def __post_init__(self) -> None:
        """Refuse what has no norm."""
        if self.hook_name.endswith(ATTENTION_SITES):
            raise MismatchError(
                f"{self.hook_name} has no vector a token, so there is no norm to keep. Leave "
                "KeepNorm out."
            )

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.intervention.hook_name

    @property
    def strength(self) -> Strength:
        """The strength of what it wraps."""
        return self.intervention.strength

    @property
    def scope(self) -> Scope | slice:
        """Which tokens."""
        return self.intervention.scope

    def edit(self) -> Edit:
        """Prepare ``h ↦ g(h) ‖h‖ / ‖g(h)‖``; norms and product in float32 or better."""
        change = self.intervention.edit()

        def keep_norm(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            # Before the change, because a map of the user's own may write into its input.
            before = norms(flat(acts))
            changed = flat(change(acts, strength, context))
            after = norms(changed)
            return like(changed * (before / torch.where(after > 0, after, 1)), acts)

        return keep_norm
