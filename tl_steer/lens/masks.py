"""What an attention mask says of columns, whatever axes it has."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def is_flat(mask: Any) -> bool:
    """Whether a mask has one row of columns for each row of the batch."""
    return isinstance(mask, Tensor) and mask.ndim == 2


def readable(mask: Any, width: int) -> Tensor | None:
    """A mask over all columns, cached ones first, 1 where real."""
    if not is_flat(mask) or mask.shape[1] < width:
        return None
    flat: Tensor = mask[:, :width]
    return flat


def last_row(mask: Any, width: int) -> Tensor | None:
    """``Bool[Tensor, "batch whole"]``: what the last query attends to, by a mask of both axes."""
    square = mask.get("full_attention") if isinstance(mask, Mapping) else mask
    if not isinstance(square, Tensor) or square.ndim != 4 or square.shape[-1] < width:
        return None
    row = square[:, 0, -1, :width]
    return row if row.dtype == torch.bool else row == 0
