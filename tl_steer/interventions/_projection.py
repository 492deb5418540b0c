"""What maps along directions share: units, coordinates, and sums that stay within a token."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.directions import Direction
from tl_steer.errors import MismatchError, NonFiniteError
from tl_steer.lens.hook_names import layer_of, site_of
from tl_steer.lens.places import Place, name_at

Flat = Float[Tensor, "batch pos d"]
"""Activations with the site's axes in one, in float32 or better."""

Unit = Float[Tensor, " d"]
"""A vector of norm 1 with the site's axes in one, in float32."""


def place_of(directions: Sequence[Direction], at: Place | None) -> str:
    """Return the one hook point where a map of several directions acts.

    Raises:
        MismatchError: For no direction, several hook points without ``at``, or several shapes.
        HookNameError: If it is not a hook name.
    """
    names = {each.hook_name for each in directions}
    if not names or (at is None and len(names) > 1):
        raise MismatchError(
            f"Got directions of {len(names)} hook points ({', '.join(sorted(names))}); one "
            "intervention acts at one. Take them all from there, or say with at= where to act."
        )
    if len({each.vector.shape for each in directions}) != 1:
        raise MismatchError("Directions of different shapes cannot be used in one intervention.")
    first = directions[0]
    if at is None:
        name = first.hook_name
    else:
        layers = first.provenance.model.n_layers
        name = name_at(at, site=site_of(first.hook_name), n_layers=layers)
    layer_of(name)
    return name


def unit_of(direction: Direction) -> Unit:
    """Return ``v̂``, with the site's axes in one.

    Raises:
        NonFiniteError: For the zero vector, which has no direction.
    """
    # In float64, in which the square of a float32 neither overflows nor vanishes.
    vector = direction.vector.flatten().double()
    if not bool(vector.any()):
        raise NonFiniteError(f"{direction.hook_name}: the zero vector has no direction.")
    unit: Unit = (vector / vector.norm()).float()
    return unit


def coordinate_of(point: Direction | float, unit: Unit) -> float:
    """Return where a point stands along a unit vector, ``v̂ᵀμ``; a number is taken as that."""
    if isinstance(point, Direction):
        return float(unit.double() @ point.vector.flatten().double())
    return float(point)


def require_finite(hook_name: str, **numbers: float) -> None:
    """Refuse settings that are NaN or infinite.

    Raises:
        NonFiniteError: With the name of the setting.
    """
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise NonFiniteError(f"{hook_name}: {name}={number} is not finite.")


def flat(acts: Tensor) -> Flat:
    """Put the site's axes into one, in float32 or better."""
    return acts.flatten(2).to(torch.promote_types(acts.dtype, torch.float32))


def along(values: Flat, unit: Unit) -> Float[Tensor, "batch pos 1"]:
    """Return each token's coordinate ``v̂ᵀh``.

    Summed token by token: what a matrix product gives a row depends on the rows beside it.
    """
    return (values * unit).sum(-1, keepdim=True)


def norms(values: Flat) -> Float[Tensor, "batch pos 1"]:
    """Return each token's Euclidean norm."""
    found: Tensor = values.norm(dim=-1, keepdim=True)
    return found


def exact(values: Tensor) -> Tensor:
    """Go over to float64, on devices that have it.

    For what is not summed token by token: the last bits of a sine, or of a matrix product, depend
    on what stands beside. Rounded to float32 afterwards, they do not show.
    """
    return values if values.device.type == "mps" else values.double()


def like(values: Flat, acts: Tensor) -> Tensor:
    """Give a result the shape and dtype of the activations: the one rounding."""
    return values.to(acts.dtype).view(acts.shape)
