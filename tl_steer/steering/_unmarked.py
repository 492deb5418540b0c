"""Scopes that marked no token while text was read and written, and what to look at then."""

import sys
import warnings
from collections.abc import Callable
from textwrap import shorten
from typing import Any

from torch import Tensor

from tl_steer.errors import UnmarkedScopeWarning
from tl_steer.lens.context import Context
from tl_steer.scopes import (
    AllOf,
    AnyOf,
    AttendsTo,
    Attention,
    Characters,
    CosineAbove,
    Keys,
    Keywords,
    Latched,
    NthGenerated,
    PerPrompt,
    Positions,
    ProjectionAbove,
    Regex,
    Sentences,
    Turns,
    generated,
)

Marks = Callable[[Context], Tensor]
"""A scope, or the keys that something attends to."""


class Marked:
    """Whether scopes have marked any token, over many passes; the device is asked at the end."""

    def __init__(self) -> None:
        """Know of no scope yet."""
        self._any: dict[Marks, Tensor] = {}
        self._last: dict[Marks, Tensor] = {}

    def note(self, scope: Marks, mask: Tensor, real: Tensor | None = None) -> None:
        """Add what a scope marked in a pass; the same mask counts once.

        Args:
            scope: Who marked.
            mask: ``True`` for what it marks.
            real: Tokens that are no padding, where the mask may have others.
        """
        # However many hook points ask in a pass, it is the same tensor.
        if self._last.get(scope) is mask:
            return
        self._last[scope] = mask
        now = (mask if real is None else mask & real).any()
        before = self._any.get(scope)
        self._any[scope] = now if before is None else before | now.to(before.device)

    def warn(self) -> None:
        """Warn, once, of scopes that were asked and marked nothing."""
        never = [scope for scope, any_token in self._any.items() if not bool(any_token)]
        if never:
            told = " ".join(
                f"{_shown(scope)} marked no token. {_look_at(scope)}" for scope in never
            )
            warnings.warn(
                f"{told} {'It' if len(never) == 1 else 'They'} steered nothing in this run.",
                UnmarkedScopeWarning,
                stacklevel=_frames_of_ours(),
            )


def keys_of(*parts: object) -> tuple[Keys, ...]:
    """The scopes of what interventions, strengths and scopes attend to."""
    found: list[Keys] = []
    for part in parts:
        attention = getattr(part, "attention", None)
        if isinstance(attention, Attention):
            found.append(attention.keys)
        keys: Any = getattr(part, "keys", None)
        if keys is not None and not isinstance(part, Attention) and getattr(part, "by", None):
            found.append(Keys(keys))
    return tuple(found)


def _shown(scope: Marks) -> str:
    scope = scope.scope if isinstance(scope, Keys) else scope
    return shorten(str(getattr(scope, "__name__", repr(scope))), 160, placeholder=" …")


def _look_at(scope: Marks) -> str:
    scope = scope.scope if isinstance(scope, Keys) else scope
    if scope is generated:
        return _WRITTEN
    for kinds, advice in _ADVICE:
        if isinstance(scope, kinds):
            return advice
    return "Look at the mask that it returns for a Context, and at context.positions."


_WRITTEN = "Was so much written? The token that is drawn last is not read any more."

_ADVICE: tuple[tuple[Any, str], ...] = (
    (
        Keywords | Regex,
        "Does it stand so in the prompts, or in what was written? Of a word with endings ask for "
        "whole_words=False.",
    ),
    (Turns, "Were the prompts put into the chat template (chat=Chat())?"),
    (Positions | Characters, "Are the texts so long?"),
    (Sentences, "Are there so many sentences?"),
    (NthGenerated, _WRITTEN),
    (
        ProjectionAbove | CosineAbove | PerPrompt,
        "Is the threshold too high? fit_threshold finds one for a rate of false fires.",
    ),
    (AttendsTo, "Is the share too high, or what is to be attended to not in the text?"),
    (AllOf, "Do its parts meet anywhere? Try them one by one."),
    (AnyOf | Latched, "Try its parts one by one."),
)


def _frames_of_ours() -> int:
    """How far up the line stands that called us, which is the one to be warned of."""
    frame, level, ours = sys._getframe(1), 1, 1
    while frame.f_back is not None:
        ours = level if frame.f_globals["__name__"].split(".")[0] == "tl_steer" else ours
        frame, level = frame.f_back, level + 1
    return ours + 1
