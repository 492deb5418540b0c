"""Any intervention, keeping each token's norm."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.errors import MismatchError
from tl_steer.interventions._guarded import edit_of
from tl_steer.interventions._projection import flat, like, norms
from tl_steer.interventions._protocol import Edit, Intervention
from tl_steer.lens.context import Context
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.scopes import Scope
from tl_steer.strengths import Strength


@checked
@dataclass(frozen=True, eq=False)
class KeepNorm:
    """Let another intervention act, then give each token its old norm back.

    With the other intervention's map ``g``::

        h' = g(h) ‖h‖ / ‖g(h)‖

    Later layer norms see only a token's direction, but in the residual stream its norm decides how
    much later layers can change it. If a token has several axes, such as the heads at
    ``attn.hook_z``, the norm is taken over all of them; ``OnHeads(KeepNorm(…))`` keeps the norm of
    each head. A token that became zero stays zero.

    Raises:
        MismatchError: At attention scores and patterns, where tokens have no norm.
    """

    intervention: Intervention
    """The wrapped one; its strength, scope and hook point are used."""

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
        change = edit_of(self.intervention)

        def keep_norm(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            before, changed = norms(flat(acts)), flat(change(acts, strength, context))
            after = norms(changed)
            return like(changed * (before / torch.where(after > 0, after, 1)), acts)

        return keep_norm
