"""Passes in which tl_steer reads whole texts, and not prompts that are gone on from.

A block that a user has around such a pass takes its first tokens for a prompt, as it does where a
text is generated; then nothing of a whole text would count as written. So the pass says what it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class WholeTexts:
    """That whole texts are read, and where their prompts end, if that is known."""

    prompt_lengths: Tensor | None
    """``Int[Tensor, "batch"]``: how many real tokens of each row are its prompt."""


_read: ContextVar[WholeTexts | None] = ContextVar("tl_steer_whole_texts", default=None)


def texts_being_read() -> WholeTexts | None:
    """Whether the pass that runs reads whole texts."""
    return _read.get()


@contextmanager
def reading(prompt_lengths: Tensor | None = None) -> Iterator[None]:
    """Say that whole texts are read, for the length of a block.

    Args:
        prompt_lengths: How many real tokens of each row are its prompt, where that is known.
    """
    token = _read.set(WholeTexts(prompt_lengths))
    try:
        yield
    finally:
        _read.reset(token)
