"""Every intervention, at any hook point of any model, made of random parts."""

from collections.abc import Callable
from typing import Any

import torch
from making import direction
from torch import Tensor

import tl_steer as ts
from tl_steer.directions import Conceptor, LeaceEraser, TransportMap
from tl_steer.interventions import (
    Ablate,
    AffineEdit,
    ApplyConceptor,
    ApplyTransport,
    Custom,
    KeepNorm,
    OnHeads,
    Replace,
    Rotate,
    ScaleAlong,
    SetProjection,
    Slerp,
)

AT, Z = "blocks.1.hook_resid_post", "blocks.2.attn.hook_z"

Make = Callable[..., Any]
"""From a model, a hook name, a strength and ``scope=`` to an intervention."""


def several(model: Any, name: str, n: int = 2) -> list[ts.Direction]:
    return [direction(model, name, seed) for seed in range(n)]


def conceptor(model: Any, name: str, seed: int = 0) -> Conceptor:
    given = direction(model, name, seed)
    width = given.vector.numel()
    states = torch.randn(3 * width, width, generator=torch.Generator().manual_seed(seed)).double()
    r = states.T @ states / len(states)
    matrix = r @ torch.linalg.inv(r + torch.eye(width).double())
    return Conceptor(matrix, name, tuple(given.vector.shape), given.provenance)


def erasure(model: Any, name: str) -> LeaceEraser:
    vector, reads, mean = several(model, name, 3)
    reads = reads / float((reads.vector * vector.vector).sum())
    return LeaceEraser(vector, reads.vector, mean.vector)


def transport(model: Any, name: str) -> TransportMap:
    given, slope = several(model, name)
    # Without bounds: at a bound, rounding decides.
    far = torch.full_like(slope.vector, torch.inf)
    return TransportMap(given, slope.vector.abs(), given.vector, -far, far)


def bent(acts: Tensor, context: Any) -> Tensor:
    """A function of a user's: not linear, and different at each position."""
    assert context is not None
    positions = context.positions.clamp(min=0)
    shape = (*positions.shape, *[1] * (acts.ndim - 2))
    return acts.tanh() * (1 + 0.1 * positions.view(shape)).to(acts.dtype)


INTERVENTIONS: dict[str, Make] = {
    "add": lambda m, n, *a, **k: ts.Add(direction(m, n), *a, **k),
    "erase": lambda m, n, *a, **k: ts.interventions.Erase(erasure(m, n), *a, **k),
    "transport": lambda m, n, *a, **k: ApplyTransport(transport(m, n), *a, **k),
    "ablate": lambda m, n, *a, **k: Ablate(direction(m, n), *a, **k),
    "ablate a subspace": lambda m, n, *a, **k: Ablate(several(m, n, 3), *a, **k),
    "affine edit": lambda m, n, *a, **k: AffineEdit(*several(m, n), 0.7, *a, **k),
    "set": lambda m, n, *a, **k: SetProjection(direction(m, n), 2.5, *a, **k),
    "clamp": lambda m, n, *a, **k: SetProjection(direction(m, n), (0.4, 1.5), *a, **k),
    "scale": lambda m, n, *a, **k: ScaleAlong(direction(m, n), -1.5, *a, about=0.3, **k),
    "rotate": lambda m, n, *a, **k: Rotate(*several(m, n), 100.0, *a, **k),
    "rotate adaptively": lambda m, n, *a, **k: Rotate(*several(m, n), 200, *a, adaptive=True, **k),
    "slerp": lambda m, n, *a, **k: Slerp(direction(m, n), *a, **k),
    "replace": lambda m, n, *a, **k: Replace(direction(m, n), *a, **k),
    "conceptor": lambda m, n, *a, **k: ApplyConceptor(conceptor(m, n), *a, beta=1.2, **k),
    "custom": lambda m, n, *a, **k: Custom(bent, n, *a, **k),
    "keep norm": lambda m, n, *a, **k: KeepNorm(ts.Add(direction(m, n), *a, **k)),
    "keep the norm of custom": lambda m, n, *a, **k: KeepNorm(Custom(bent, n, *a, **k)),
}

ON_HEADS: dict[str, Make] = {
    f"{name}, on heads": lambda m, n, *a, make=make, **k: OnHeads(make(m, n, *a, **k), [2, 0])
    for name, make in INTERVENTIONS.items()
    if name in ("transport", "ablate a subspace", "slerp", "custom", "keep norm")
}
"""Some of each kind, on two of the heads at ``attn.hook_z``."""


def applied(intervention: Any, acts: Tensor, strength: float | Tensor = 1.0) -> Tensor:
    """What the pure map makes of activations."""
    given = torch.as_tensor(strength, dtype=torch.float32)
    return intervention.edit()(acts, given.view(-1, 1), None)
