"""A scope that chooses the tokens attended to."""

from dataclasses import dataclass

import torch

from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.lens.parts import reads_of
from tl_steer.scopes._combined import AllOf, AnyOf, Not
from tl_steer.scopes._positions import Scope, as_scope
from tl_steer.scopes._text import KeyMask, all_tokens


@stored_as("Keys")
@dataclass(frozen=True)
class Keys:
    """Which tokens of the whole text a scope marks, as each token of a pass may know it.

    Cached tokens are among them, and a word counts from the token on that completes it. Ask by
    ``context.mask(Keys(scope))``, so that it is worked out once in a pass. Tokens that come after
    the one that asks may be marked; it does not attend to them.

    Raises:
        SteerError: For a scope that reads activations: those of cached tokens are gone.
    """

    scope: Scope

    def __init__(self, scope: Scope | slice) -> None:
        """Take a scope, or a slice of positions."""
        object.__setattr__(self, "scope", as_scope(scope))
        if reads_of(self.scope):
            raise SteerError(
                f"{self.scope!r} reads activations, so it cannot choose what is attended to. Use a "
                "scope of text or positions, such as Keywords(…) or prompt."
            )

    def __call__(self, context: Context) -> KeyMask:
        """Mark tokens of the whole text, for each token of this pass."""
        scope = self.scope
        columns = getattr(scope, "columns", None)
        if columns is not None:
            return all_tokens(context, columns)
        if isinstance(scope, AllOf | AnyOf):
            parts = torch.stack([context.mask(Keys(part)) for part in scope.scopes])
            return parts.all(0) if isinstance(scope, AllOf) else parts.any(0)
        if isinstance(scope, Not):
            marked: KeyMask = context.mask(Keys(scope.scope))
            return (context.whole_positions >= 0)[:, None] & ~marked
        known = context.mask(_as_one_pass).mask(scope)
        found: KeyMask = known[:, None].expand(-1, context.positions.shape[1], -1)
        return found


def _as_one_pass(context: Context) -> Context:
    return context.as_one_pass()
