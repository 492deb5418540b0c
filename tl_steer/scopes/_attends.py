"""Tokens that attend to certain others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.lens.places import Places
from tl_steer.scopes._attention import Attention
from tl_steer.scopes._positions import Scope
from tl_steer.shapes import TokenMask


@stored_as("AttendsTo")
@checked
@dataclass(frozen=True)
class AttendsTo:
    """Tokens that give more than a certain share of their attention to the tokens of a scope.

    ``AttendsTo(Keywords("film"), "blocks.7.attn.hook_pattern", above=0.2)`` marks tokens where the
    model attends to the film, whatever words it uses. Intervene in the same layer or a later one.
    The share is ``Σ_k A[head, query, k]`` over the scope's tokens ``k``, then the mean over heads.
    For an effect in proportion, use :class:`~tl_steer.strengths.AttentionShare`.

    Raises:
        HookNameError: For hook points that are no attention patterns.
        SteerError: For a scope that reads activations, and a share that is none.
    """

    attention: Attention

    above: float = field(kw_only=True)
    """From 0 to under 1."""

    def __init__(
        self,
        keys: Scope | slice,
        at: Places,
        heads: Sequence[int] | int | None = None,
        *,
        above: float,
        strongest: bool = False,
    ) -> None:
        """Take a scope, one pattern or layer or several, and heads; all of them by default."""
        object.__setattr__(self, "attention", Attention(keys, at, heads, strongest=strongest))
        if not 0 <= above < 1:
            raise SteerError(
                f"AttendsTo: expected above from 0 to below 1, such as 0.2; got {above:.4g}."
            )
        object.__setattr__(self, "above", above)

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return context.real & (self.attention(context) > self.above)
