"""Strength in proportion to attention."""

from collections.abc import Sequence
from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.lens.context import Context
from tl_steer.lens.places import Places
from tl_steer.scopes import Attention, Scope
from tl_steer.shapes import Acts, TokenStrengths


@checked
@dataclass(frozen=True)
class AttentionShare:
    """Act on a token as much as it attends to the tokens of a scope: ``α · Σ_k A[query, k]``.

    ``AttentionShare(Keywords("film"), "blocks.7.attn.hook_pattern", factor=8.0)`` as the strength
    of an addition steers what is said about the film, and little else. For how shares are counted,
    see :class:`~tl_steer.scopes.AttendsTo`.

    Raises:
        HookNameError: For hook points that are no attention patterns.
        SteerError: For a scope that reads activations.
        NonFiniteError: For a factor that is NaN or infinite.
    """

    attention: Attention

    factor: float = 1.0
    """α: the strength where all attention goes to these tokens."""

    def __init__(
        self,
        keys: Scope | slice,
        at: Places,
        heads: Sequence[int] | None = None,
        *,
        factor: float = 1.0,
        strongest: bool = False,
    ) -> None:
        """Take a scope, one pattern or layer or several, and heads; all of them by default."""
        object.__setattr__(self, "attention", Attention(keys, at, heads, strongest=strongest))
        object.__setattr__(self, "factor", factor)

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Return the strength for each token of this pass."""
        return self.factor * self.attention(context)
