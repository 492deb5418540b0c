"""Any intervention, with each token's norm kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.errors import MismatchError
from tl_steer.interventions._projection import flat, like, norms
from tl_steer.interventions._protocol import Edit, Intervention, with_strength
from tl_steer.lens.context import Context
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.scopes import Scope, reads_of
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
                f"{self.hook_name} holds no vector a token, and so no norm to keep. Use the "
                "intervention without KeepNorm there."
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

    @property
    def n_rows(self) -> int | None:
        """How many rows it is made for; ``None`` when one setting serves all."""
        return self.intervention.n_rows

    @property
    def reads(self) -> tuple[str, ...]:
        """What the wrapped intervention reads."""
        return reads_of(self.intervention)

    @property
    def needs_context(self) -> bool:
        """Whether the wrapped intervention asks about the pass."""
        return bool(getattr(self.intervention, "needs_context", False))

    def rows(self, index: Sequence[int]) -> "KeepNorm":
        """Keep the settings of some rows."""
        return replace(self, intervention=self.intervention.rows(index))

    def with_strength(self, strength: Strength) -> "KeepNorm":
        """Return the same at another strength."""
        return replace(self, intervention=with_strength(self.intervention, strength))

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse what the wrapped intervention refuses.

        Raises:
            MismatchError: Saying what differs.
        """
        self.intervention.check_fits(model)

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
