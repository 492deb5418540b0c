"""Where the numbers of a site stand in a row of a wider module, by a configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Columns = Callable[[Any], Tensor]
"""From a configuration to ``Int[Tensor, "*site"]``: where a site's numbers stand in a row."""


@dataclass(frozen=True)
class Place:
    """Where a site's numbers stand."""

    module: str
    """Inside the block; ``""`` is the block itself. Alternatives are parted by ``|``."""

    side: str = "out"
    """``in`` or ``out``."""

    columns: Columns | None = None
    """Which of them, and in which shape; all of them where nothing is said."""

    gain: Callable[[Any], float] = lambda config: 1.0
    """By what the numbers are multiplied on their way to what the site's name says."""


def widths_of(config: Any) -> tuple[int, int, int]:
    """Heads, heads of keys and values, numbers of a head."""
    # Some have heads of a width of its own in each layer; the widths are seen there.
    known = config.to_dict()
    heads = config.num_attention_heads
    groups = known.get("num_key_value_heads") or heads
    return heads, groups, known.get("head_dim") or config.hidden_size // heads


def query_heads(config: Any) -> Tensor:
    heads, _, width = widths_of(config)
    return torch.arange(heads * width).view(heads, width)


def key_heads(config: Any) -> Tensor:
    _, groups, width = widths_of(config)
    return torch.arange(groups * width).view(groups, width)


def one_after_the_other(part: int) -> Columns:
    """``[q q q q | k k | v v]``, a head after the other in each."""

    def columns(config: Any) -> Tensor:
        heads, groups, width = widths_of(config)
        starts = (0, heads * width, (heads + groups) * width)
        count = heads if part == 0 else groups
        return starts[part] + torch.arange(count * width).view(count, width)

    return columns


def head_by_head(part: int) -> Columns:
    """``[q k v | q k v | …]``, each head for itself."""

    def columns(config: Any) -> Tensor:
        heads, _, width = widths_of(config)
        return torch.arange(heads * 3 * width).view(heads, 3, width)[:, part]

    return columns


def one_key(part: int) -> Columns:
    """``[q q q q | k | v]``, one head of keys and values for all queries."""

    def columns(config: Any) -> Tensor:
        heads, _, width = widths_of(config)
        every = torch.arange((heads + 2) * width).view(heads + 2, width)
        return (every[:heads], every[heads : heads + 1], every[heads + 1 :])[part]

    return columns


def gate_half(config: Any) -> Tensor:
    return torch.arange(config.intermediate_size)


def half_of_heads(part: int) -> Columns:
    """``[q g | q g | …]``: queries, each beside its gate."""

    def columns(config: Any) -> Tensor:
        heads, _, width = widths_of(config)
        return torch.arange(heads * 2 * width).view(heads, 2, width)[:, part]

    return columns


def behind_keys(config: Any) -> Tensor:
    """``[k v | k v | …]``: values, each beside the part of its key that is compressed with it."""
    keys, width = config.qk_nope_head_dim, config.v_head_dim
    heads = config.num_attention_heads
    return torch.arange(heads * (keys + width)).view(heads, keys + width)[:, keys:]
