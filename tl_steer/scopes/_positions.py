"""Scopes that depend only on where a token is.

A scope is a function from a :class:`~tl_steer.lens.context.Context` to a mask over tokens. You can
write your own. Padding is never touched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any

from torch import Tensor

from tl_steer.arguments import Words, checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._given import bounds
from tl_steer.shapes import TokenMask


def instead_of_scope(came: object) -> str:
    """What a scope can be, and how to make one from a word."""
    words = f" For tokens of a word write Keywords({came!r})." if isinstance(came, str) else ""
    return (
        "Scopes are everywhere, prompt, generated, last_prompt_token, a slice of positions such as "
        f"slice(2, 5), and functions of the context.{words}"
    )


Scope = Annotated[
    Callable[[Context], TokenMask],
    Words("a scope", "scopes", instead_of_scope),
]


@stored_as("everywhere")
@checked
def everywhere(context: Context) -> TokenMask:
    """All tokens."""
    return context.real


@stored_as("prompt")
@checked
def prompt(context: Context) -> TokenMask:
    """The tokens of the prompt."""
    return context.real & ~context.generated


@stored_as("generated")
@checked
def generated(context: Context) -> TokenMask:
    """The tokens that the model wrote."""
    return context.generated


@stored_as("last_prompt_token")
@checked
def last_prompt_token(context: Context) -> TokenMask:
    """The last token of the prompt, from which the first generated one is drawn."""
    return context.positions == context.prompt_lengths[:, None] - 1


@stored_as("Positions")
@checked
@dataclass(frozen=True)
class Positions:
    """Tokens from ``start`` up to ``stop``, as a slice of each row's real tokens.

    Positions count from the row's first real token, whatever the padding. Negative bounds count
    from the end of the prompt: ``Positions(-3)`` begins at its third token from the end.

    Raises:
        SteerError: For bounds that are not whole numbers, or with nothing between them.
    """

    start: int | None = 0
    """``None`` for the beginning, as in a slice."""

    stop: int | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that enclose nothing."""
        start, stop = bounds(self.start, self.stop, "Positions")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "stop", stop)

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens between the bounds."""
        mask = context.real & (context.positions >= self._place(self.start or 0, context))
        if self.stop is None:
            return mask
        return mask & (context.positions < self._place(self.stop, context))

    @staticmethod
    def _place(bound: int, context: Context) -> Tensor | int:
        # Where prompts end may not be known, and is asked only where it matters.
        return bound if bound >= 0 else (context.prompt_lengths[:, None] + bound).clamp(min=0)


def as_scope(scope: Any) -> Scope:
    """Accept a plain slice of absolute positions as a scope.

    Raises:
        SteerError: For a slice with a step or with nothing in it, and for anything that cannot be
            called with a context.
    """
    if isinstance(scope, slice):
        if scope.step not in (None, 1):
            raise SteerError(
                f"{scope}: a scope covers every token between its bounds, so it takes no step."
            )
        return Positions(scope.start or 0, scope.stop)
    _require_scope(scope)
    found: Scope = scope
    return found


def _require_scope(scope: object) -> None:
    if isinstance(scope, type):
        raise SteerError(
            f"Expected a scope, got the class {scope.__name__}. Make one: {scope.__name__}(…)."
        )
    if not callable(scope):
        raise SteerError(f"Expected a scope, got {scope!r}. {instead_of_scope(scope)}")
    try:
        hash(scope)
    except TypeError:
        raise SteerError(
            f"{scope!r} cannot be hashed, and scopes are told apart by their hash. Make it a "
            "@dataclass(frozen=True) with tuples in place of lists."
        ) from None
    try:
        takes = signature(scope)
    except (TypeError, ValueError):
        return  # Written in C, and silent about what it takes.
    try:
        takes.bind(None)
    except TypeError:
        raise SteerError(
            f"{scope!r} takes {takes}. A scope takes one argument, the context."
        ) from None
