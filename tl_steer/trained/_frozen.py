"""Gradients through a model that stays as it is."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tl_steer.lens.hook_names import needs_writing_in_place, site_shape
from tl_steer.lens.hook_points import attached
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of
from tl_steer.trained._sphere import Flat


@contextmanager
def frozen(model: SteerableModel) -> Iterator[None]:
    """Let gradients pass through the parameters, and none be kept for them, inside the block.

    ``requires_grad`` is afterwards what it was. ``grad`` and the training mode are not touched.
    Gradients are on inside, also where the caller has switched them off.
    """
    before = [(parameter, parameter.requires_grad) for parameter in _parameters(model)]
    try:
        for parameter, _ in before:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)


@contextmanager
def edited(model: SteerableModel, at: str, edit: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Change the activations at one hook point inside the block, so that gradients reach ``edit``.

    Args:
        model: It is left as it was.
        at: The hook name.
        edit: From activations to activations of the same shape and dtype.
    """
    in_place = needs_writing_in_place(model, at)

    def function(acts: Tensor, hook: Any) -> Tensor:
        after = edit(acts)
        return acts.copy_(after) if in_place else after

    with attached(model, {at: function}):
        yield


@contextmanager
def reading(model: SteerableModel, at: str) -> Iterator[list[Tensor]]:
    """Collect the activations that pass a hook point inside the block, with their gradients."""
    passed: list[Tensor] = []

    def function(acts: Tensor, hook: Any) -> None:
        passed.append(acts)

    with attached(model, {at: function}):
        yield passed


def added(vector: Tensor, signs: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """Prepare ``h ↦ h + d·v``.

    Args:
        vector: ``v``, in the shape of the site; formed in its own precision, and rounded once.
        signs: ``d``, one for each row; 1 unless given.
    """

    def edit(acts: Tensor) -> Tensor:
        shift = vector
        if signs is not None:
            shift = vector * signs.to(vector).view(-1, *[1] * (acts.ndim - 1))
        return acts + shift.to(acts)

    return edit


def wide(tensor: Tensor) -> Tensor:
    """Bring numbers to float32, or leave them in float64: sums are not taken in less."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def zeros_at(model: SteerableModel, at: str) -> Flat:
    """Make the zero vector of a hook point, in the form that vectors are trained in.

    Args:
        model: Whose device it is on.
        at: The hook name; the axes of its site are in one.

    Returns:
        In float32 or better: steps are smaller than what half precision can tell apart.
    """
    zeros: Flat = torch.zeros(
        math.prod(site_shape(model, at)),
        device=device_of(model),
        dtype=torch.promote_types(dtype_of(model), torch.float32),
    )
    return zeros


def _parameters(model: SteerableModel) -> list[nn.Parameter]:
    roots: list[Any] = [model, getattr(model, "original_model", None)]
    found = [each for root in roots if root is not None for each in root.parameters()]
    return list({id(each): each for each in found}.values())
