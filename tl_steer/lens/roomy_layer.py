"""Keys and values of a cache with room for those to come.

A cache of transformers concatenates at every step, and so copies all that it holds to add one
column to it. Here the column is written behind the others, and there is a copy only when the room
runs out.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

_LEAST = 32
"""Columns of room at least."""


def with_room(cache: Any) -> Any:
    """Let the layers of a cache that grow without a bound grow in place; the others stay.

    Args:
        cache: What a Hugging Face model returned, or ``None``.
    """
    layers = getattr(cache, "layers", None)
    if isinstance(layers, list):
        layers[:] = [_roomy(each) if type(each) is DynamicLayer else each for each in layers]
    return cache


def _roomy(layer: Any) -> "RoomyLayer":
    made = RoomyLayer.__new__(RoomyLayer)
    vars(made).update(vars(layer))
    return made


class RoomyLayer(DynamicLayer):
    """A layer whose keys and values are the beginning of a larger tensor.

    What somebody else puts in their place, with other rows or fewer columns, is moved into a room
    of its own at the next step.
    """

    _rooms: tuple["_Room", "_Room"] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add columns, and return all that there are."""
        held = self.keys, self.values
        # A tensor that is written into again has no gradients of what was there before.
        if held[0] is None or held[1] is None or torch.is_grad_enabled():
            added: tuple[Tensor, Tensor] = super().update(key_states, value_states, *args, **kwargs)
            return added
        if self._rooms is None:
            self._rooms = _Room(), _Room()
        keys, values = self._rooms
        self.keys = keys.added(held[0], key_states)
        self.values = values.added(held[1], value_states)
        return self.keys, self.values


class _Room:
    """A tensor, and the part of it that was handed out last."""

    def __init__(self) -> None:
        self._whole: Tensor | None = None
        self._shown: Tensor | None = None

    def added(self, held: Tensor, new: Tensor) -> Tensor:
        """Put columns behind those that are held."""
        before, after = held.shape[-2], held.shape[-2] + new.shape[-2]
        whole = self._whole
        if whole is None or held is not self._shown or after > whole.shape[-2]:
            room = after + max(_LEAST, after // 4)
            whole = held.new_empty((*held.shape[:-2], room, held.shape[-1]))
            whole[..., :before, :] = held
        whole[..., before:after, :] = new
        self._whole, self._shown = whole, whole[..., :after, :]
        return self._shown
