"""Whether single texts agree with the direction."""

import pandas as pd
import torch
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.diagnostics._projected import projected
from tl_steer.directions import Directions
from tl_steer.shapes import Examples


def agreement(directions: Directions, activations: Activations) -> pd.DataFrame:
    """Mean cosine of single differences with the direction.

    Where texts are paired, the differences are ``δᵢ = h₊ᵢ − h₋ᵢ``. Where they are not, each
    example is set against the midpoint of the class means, ``δᵢ = ±(hᵢ − (μ₊ + μ₋) / 2)`` with the
    sign of its class. The result is ``mean(cos(δᵢ, v))`` and the share of differences with
    ``δᵢ·v > 0``. Braun et al. (2025, https://arxiv.org/abs/2505.22637) found that differences which
    point the same way predict effective steering. On the texts that gave the direction the numbers
    flatter it; give others. The cosine falls with the number of dimensions, so compare it between
    directions of one width only.

    Returns:
        A row for each direction: ``hook_name``, ``agreement`` (-1 to 1), ``agreeing`` (a share).

    Raises:
        HookNameError: When a hook point was not captured.
        MismatchError: For activations of another model.
        DataError: For fewer than two texts of a class, or texts without classes.
    """
    rows = []
    for name, direction in directions.items():
        projected(direction, activations)  # refuses what does not fit
        differences = _differences(activations, name)
        along = differences @ direction.unit.vector.flatten().double()
        cosines = along / differences.norm(dim=-1).clamp(min=1e-30)
        rows.append(
            {
                "hook_name": name,
                "agreement": float(cosines.mean()),
                "agreeing": float((along > 0).double().mean()),
            }
        )
    return pd.DataFrame(rows)


def _differences(activations: Activations, name: str) -> Examples:
    positive = activations.positive(name).flatten(1).double()
    negative = activations.negative(name).flatten(1).double()
    index = activations.text_index[name]
    if activations.paired and len(index) == len(set(index.tolist())):
        return positive - negative
    middle: Tensor = (positive.mean(0) + negative.mean(0)) / 2
    return torch.cat([positive - middle, middle - negative])
