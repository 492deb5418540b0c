"""Calls of a wrapped model's own ``generate``.

It may read its prompt in pieces (``prefill_chunk_size``), read more than the prompt at once
(assisted generation), or go on from a cache that holds the beginning of it. Its forward passes look
the same as a generated token does; only the call itself knows how long the prompt is. The wrapped
model's ``generate`` is therefore passed through a function that looks at its arguments, for as long
as somebody listens.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any
from weakref import ref

from torch import Tensor

_NAME = "generate"


@dataclass(frozen=True, eq=False)
class GivenPrompt:
    """What a call of ``generate`` was given to go on from, cached tokens included."""

    columns: int
    """How many columns it has."""

    mask: Tensor | None
    """``Int[Tensor, "prompt columns"]``, 1 where real; ``None`` where none was given."""


Told = Callable[[GivenPrompt | None], None]
"""Is told of a call, and of ``None`` when it is over."""


class _Ear:
    """Stands in for ``generate``, and tells what it was given."""

    def __init__(self, generate: Callable[..., Any]) -> None:
        self.generate = generate
        self.told: list[Told] = []
        update_wrapper(self, generate)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._tell(_given(args, kwargs))
        try:
            return self.generate(*args, **kwargs)
        finally:
            self._tell(None)

    def _tell(self, given: GivenPrompt | None) -> None:
        for each in list(self.told):
            each(given)


class _Handle:
    def __init__(self, model: Any, ear: _Ear, told: Told) -> None:
        self._ear, self._model, self._told = ear, ref(model), told
        ear.told.append(told)

    def remove(self) -> None:
        """Stop telling; the last one leaves the model as it was."""
        self._ear.told.remove(self._told)
        model = self._model()
        if model is not None and not self._ear.told and vars(model).get(_NAME) is self._ear:
            delattr(model, _NAME)


def hear_generate(model: Any, told: Told) -> Iterator[_Handle]:
    """Tell of calls of a model's ``generate``.

    Args:
        model: A Hugging Face model, or one like it; without ``generate``, nothing is yielded.
        told: Is told.
    """
    own = vars(model).get(_NAME)
    if own is None and callable(getattr(model, _NAME, None)):
        own = _Ear(getattr(model, _NAME))
        setattr(model, _NAME, own)
    # What a user put there himself stays, and is not heard.
    if isinstance(own, _Ear):
        yield _Handle(model, own, told)


def _given(args: Sequence[Any], kwargs: dict[str, Any]) -> GivenPrompt | None:
    names = ("inputs", "input_ids", "inputs_embeds", "attention_mask")
    several = [*args[:1], *(kwargs.get(name) for name in names)]
    widths = [each.shape[1] for each in several if isinstance(each, Tensor) and each.ndim >= 2]
    if not widths:
        return None
    mask = kwargs.get("attention_mask")
    flat = isinstance(mask, Tensor) and mask.shape[1:] == (max(widths),)
    return GivenPrompt(max(widths), mask if flat else None)
