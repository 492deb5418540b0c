"""Directions without overlap, for several additions at one hook point."""

from dataclasses import replace

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions._direction import Direction
from tl_steer.errors import MismatchError, NonFiniteError

# Of unit vectors that depend on each other, the smallest singular value is rounding.
_DEPENDENT = 1e-6


@checked
def orthogonalised(*directions: Direction, symmetric: bool = False) -> tuple[Direction, ...]:
    """Make directions orthogonal, so that adding one of them does not add some of another.

    With orthonormal ``ŵᵢ``, each direction keeps what it has along its own: ``ŵᵢŵᵢᵀvᵢ``. Strength 1
    then still moves the one class's mean to the other's along it::

        joy, formal = ts.directions.orthogonalised(joy, formal)
        ts.Steering(joy=ts.Add(joy, 4.0), formal=ts.Add(formal, 2.0))

    Args:
        directions: Of one hook point.
        symmetric: By default, Gram and Schmidt's way: the first stays as it is, each later one
            loses what lies in the span of those before it. Symmetric is Löwdin's way (1950,
            https://doi.org/10.1063/1.1747632): of all orthonormal sets the one nearest to the
            ``v̂ᵢ``, in which no order counts, ``Ŵ = V̂(V̂ᵀV̂)^{−1/2}``.

    Returns:
        As many directions, in the order given.

    Raises:
        MismatchError: For directions of several hook points, models or widths, and for directions
            that depend on each other.
        NonFiniteError: For a zero direction.
    """
    for direction in directions:
        _require_fitting(directions[0], direction)
    if not directions:
        return ()
    vectors = torch.stack([each.vector.flatten().double() for each in directions])
    units = vectors / vectors.norm(dim=1, keepdim=True)
    if float(torch.linalg.svdvals(units).min()) <= _DEPENDENT or len(units) > units.shape[1]:
        raise MismatchError(
            f"{directions[0].hook_name}: these {len(directions)} directions are linearly "
            "dependent. Leave one out."
        )
    own = _nearest(units) if symmetric else _one_after_the_other(units)
    kept = (own * vectors).sum(1, keepdim=True) * own
    how = "symmetrically orthogonalised" if symmetric else "orthogonalised"
    return tuple(
        replace(
            direction,
            vector=vector.float().view_as(direction.vector),
            provenance=direction.provenance.as_result_of(f"{how}({direction.provenance.method})"),
        )
        for direction, vector in zip(directions, kept, strict=True)
    )


def _one_after_the_other(units: Tensor) -> Tensor:
    q, r = torch.linalg.qr(units.T)
    # The sign of each is free in a QR decomposition; here it is that of the direction.
    signed: Tensor = (q * r.diagonal().sign()).T
    return signed


def _nearest(units: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(units, full_matrices=False)
    nearest: Tensor = left @ right
    return nearest


def _require_fitting(first: Direction, other: Direction) -> None:
    if not bool(other.vector.any()):
        raise NonFiniteError(f"{other.hook_name}: the zero vector has no direction.")
    # What cannot be added has no overlap to be taken away: the addition says what differs.
    _ = first + other
