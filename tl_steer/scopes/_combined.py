"""Scopes put together: and, or, not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._characters import Characters
from tl_steer.scopes._given import one_by_one
from tl_steer.scopes._nth_generated import NthGenerated
from tl_steer.scopes._positions import (
    Positions,
    Scope,
    as_scope,
    everywhere,
    generated,
    last_prompt_token,
    prompt,
)
from tl_steer.shapes import TokenMask


@stored_as("AllOf")
@checked
@dataclass(frozen=True)
class AllOf:
    """Tokens that every one of several scopes marks.

    Raises:
        SteerError: For no scope, for anything but scopes, and for scopes that never meet, such as
            one of the prompt and one of what is generated.
    """

    scopes: tuple[Scope, ...]

    def __init__(self, *scopes: Scope | slice | Iterable[Scope | slice]) -> None:
        """Take scopes, conditions among them, or slices; or one list of them."""
        object.__setattr__(self, "scopes", _several(scopes, "AllOf"))
        if any(map(leaves_prompt, self.scopes)) and any(map(stays_in_prompt, self.scopes)):
            raise SteerError(
                f"{self!r} marks nothing: no token is both of the prompt and generated. For tokens "
                "that any of several scopes marks, use AnyOf(…)."
            )

    def __call__(self, context: Context) -> TokenMask:
        """Mark what all of them mark."""
        return torch.stack([context.mask(scope) for scope in self.scopes]).all(0)


@stored_as("AnyOf")
@checked
@dataclass(frozen=True)
class AnyOf:
    """Tokens that at least one of several scopes marks.

    Raises:
        SteerError: For no scope, and for anything but scopes.
    """

    scopes: tuple[Scope, ...]

    def __init__(self, *scopes: Scope | slice | Iterable[Scope | slice]) -> None:
        """Take scopes, conditions among them, or slices; or one list of them."""
        object.__setattr__(self, "scopes", _several(scopes, "AnyOf"))

    def __call__(self, context: Context) -> TokenMask:
        """Mark what one of them marks."""
        return torch.stack([context.mask(scope) for scope in self.scopes]).any(0)


@stored_as("Not")
@checked
@dataclass(frozen=True)
class Not:
    """Real tokens that a scope does not mark.

    Raises:
        SteerError: If it is not a scope, and for ``everywhere``, of which nothing is left.
    """

    scope: Scope

    def __init__(self, scope: Scope | slice) -> None:
        """Take a scope, a condition, or a slice."""
        object.__setattr__(self, "scope", as_scope(scope))
        if self.scope in (everywhere, Positions()):
            raise SteerError("Not(everywhere) marks nothing.")

    def __call__(self, context: Context) -> TokenMask:
        """Mark all real tokens but those."""
        marked: TokenMask = context.mask(self.scope)
        return context.real & ~marked


def leaves_prompt(scope: Scope) -> bool:
    """Tell whether a scope surely marks no token of the prompt; of a user's own it is not known."""
    if isinstance(scope, AllOf):
        return any(map(leaves_prompt, scope.scopes))
    if isinstance(scope, AnyOf):
        return all(map(leaves_prompt, scope.scopes))
    return scope is generated or isinstance(scope, NthGenerated)


def passes_over_prompt(scope: Scope) -> bool:
    """Tell whether a scope surely marks no token of the prompt, and asks nothing about them.

    ``AllOf(Latched(…), generated)`` and ``AllOf(PerPrompt(…), generated)`` have to see the prompt
    while it is read, to know of its words or activations afterwards.
    """
    return leaves_prompt(scope) and _goes_by_place(scope)


def _goes_by_place(scope: Scope) -> bool:
    if isinstance(scope, AllOf | AnyOf):
        return all(map(_goes_by_place, scope.scopes))
    if isinstance(scope, Not):
        return _goes_by_place(scope.scope)
    places = (everywhere, generated, prompt, last_prompt_token)
    return isinstance(scope, Positions | NthGenerated) or scope in places


def stays_in_prompt(scope: Scope) -> bool:
    """Tell whether a scope surely marks no generated token."""
    if isinstance(scope, AllOf):
        return any(map(stays_in_prompt, scope.scopes))
    if isinstance(scope, AnyOf):
        return all(map(stays_in_prompt, scope.scopes))
    if isinstance(scope, Positions):
        return (scope.stop or 0) < 0
    return scope in (prompt, last_prompt_token) or isinstance(scope, Characters)


def _several(given: tuple[Any, ...], name: str) -> tuple[Scope, ...]:
    scopes = one_by_one(given)
    if not scopes:
        raise SteerError(f"{name}() marks nothing. Give at least one scope.")
    return tuple(as_scope(scope) for scope in scopes)
