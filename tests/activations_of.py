"""Activations as `capture` would give them, of vectors that are already there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

import tl_steer as ts
from tl_steer.lens.protocol import ModelInfo

AT = "blocks.1.hook_resid_post"
Z = "blocks.1.attn.hook_z"
INFO = ModelInfo("m", 4, 32, "raw")

few_dimensions = pytest.mark.filterwarnings("ignore:one dimension makes up most:UserWarning")
"""Of a few dimensions one has more than half now and then; that is tested elsewhere."""


def activations_of(
    positive: Tensor, negative: Tensor, *, at: str = AT, **changes: Any
) -> ts.Activations:
    """Of two classes, ``example *site``."""
    both = torch.cat([positive, negative])
    fields: Mapping[str, Any] = {
        "model": INFO,
        "hook_names": (at,),
        "vectors": {at: both},
        "kept_moments": {},
        "text_index": {at: torch.arange(len(both))},
        "is_positive": torch.arange(len(both)) < len(positive),
        "paired": False,
        "site_shapes": {at: tuple(both.shape[1:])},
        "norms": {at: float(both.flatten(1).norm(dim=-1).mean())},
        "left_out": pd.DataFrame({"first": {at: len(both)}, "massive": {at: 0}}),
        "data": "made up",
        "read": "MeanOfTokens()",
    }
    return ts.Activations(**{**fields, **changes})


def without_classes(vectors: Tensor, *, at: str = AT, **changes: Any) -> ts.Activations:
    """Of texts without classes."""
    return activations_of(vectors, vectors[:0], at=at, is_positive=None, **changes)


def moments_of(activations: ts.Activations) -> ts.Activations:
    """The same, as `capture(…, moments_only=True)` gives them."""
    kept = {name: activations.moments(name) for name in activations.hook_names}
    return replace(activations, vectors={}, text_index={}, kept_moments=kept)


def two_classes(
    *shape: int, n: int = 40, m: int = 40, gap: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Two correlated clouds away from the origin, which differ along one random direction.

    Along the axes of a cloud, the standard deviations run from 0.5 to 2; the distance between the
    clouds is `gap` times the square root of the number of dimensions.
    """
    generator = torch.Generator().manual_seed(seed)
    d = torch.Size(shape).numel()
    turn = torch.linalg.qr(torch.randn(d, d, generator=generator)).Q
    mix = torch.linspace(0.5, 2, d)[:, None] * turn
    centre, apart = 5 * torch.randn(d, generator=generator), torch.randn(d, generator=generator)
    noise = torch.randn(n + m, d, generator=generator) @ mix
    positive = centre + noise[:n] + gap * d**0.5 * apart / apart.norm()
    return positive.view(n, *shape), (centre + noise[n:]).view(m, *shape)


def cosine(one: Any, other: Any) -> float:
    """Of two vectors of any type and shape."""
    flat = [torch.as_tensor(each).double().flatten() for each in (one, other)]
    return float(torch.nn.functional.cosine_similarity(*flat, dim=0))
