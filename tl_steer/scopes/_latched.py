"""All tokens from the first marked one on."""

from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._positions import Scope, as_scope
from tl_steer.shapes import TokenMask


@stored_as("Latched")
@checked
@dataclass(frozen=True)
class Latched:
    """All tokens from the first one on that a scope or condition marks.

    Raises:
        SteerError: If it is not a scope.
    """

    scope: Scope

    def __init__(self, scope: Scope | slice) -> None:
        """Take a scope, a condition, or a slice."""
        object.__setattr__(self, "scope", as_scope(scope))

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return context.real & (context.running_sum(self, context.mask(self.scope).float()) > 0)
