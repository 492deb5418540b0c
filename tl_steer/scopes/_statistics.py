"""Numbers that tell how far activations go along a direction."""

import torch

from tl_steer.activations import norms_of
from tl_steer.shapes import Acts, TokenStrengths, Vector


def projection(acts: Acts, unit: Vector) -> TokenStrengths:
    """``h·v̂``, in activation units, in float32.

    Args:
        acts: Activations.
        unit: A direction of norm 1.
    """
    # Summed token by token: what a matrix product gives a row depends on the rows beside it.
    found: TokenStrengths = (acts.flatten(2).float() * unit.flatten()).sum(-1)
    return found


def cosine(acts: Acts, unit: Vector) -> TokenStrengths:
    """``h·v̂ / ‖h‖``, from -1 to 1, in float32; 0 for activations that are zero.

    Args:
        acts: Activations.
        unit: A direction of norm 1.
    """
    norms = norms_of(acts).clamp_min(torch.finfo(torch.float32).tiny)
    return projection(acts, unit) / norms
