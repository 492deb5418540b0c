"""Tensors and arrays: of the numbers that are wanted, in as many dimensions."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import AbstractArray, jaxtyped
from torch import Tensor

from tl_steer.arguments.kinds import Kind, UnfitError

_COMPLEX = "complex numbers, of which only the real part would count"


def is_array(annotation: Any) -> bool:
    """Whether an annotation is one of jaxtyping's."""
    return isinstance(annotation, type) and issubclass(annotation, AbstractArray)


def array(annotation: Any) -> Kind:
    """What fits ``Float[Tensor, "batch pos"]``: tensors, arrays, and lists of numbers.

    Whole numbers become floating-point ones, and nothing else becomes what it was not.
    """
    tensor = annotation.array_type is Tensor
    floating = annotation.__name__.startswith("Float")

    def take(value: Any) -> Any:
        found = _tensor(value) if tensor else _numpy(value)
        if floating:
            found = _as_floating(found)
        # In a context of its own: sizes of the caller's axes say nothing about these.
        with jaxtyped("context"):
            if not isinstance(found, annotation):
                raise UnfitError(value)
        return found

    shape = _shape(annotation.dim_str.split())
    numbers = next(
        (words for start, words in _WORDS.items() if annotation.__name__.startswith(start)),
        "numbers",
    )
    what = "tensor" if tensor else "numpy array"
    return Kind(
        f"a {what} of {numbers}{shape}",
        f"{what}s of {numbers}{shape}",
        take,
        lambda value: isinstance(value, Tensor | np.ndarray),
    )


def _shape(axes: list[str]) -> str:
    """Axes in words; one that stands for any number of them says nothing by itself."""
    named = ["…" if axis.startswith("*") else axis for axis in axes]
    return "" if named in ([], ["…"]) else f", shape ({', '.join(named)})"


_WORDS = {"Int": "whole numbers", "Bool": "bools"}


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return _dense(value)
    array = _numpy(value)
    return torch.from_numpy(array.copy())


def _dense(value: Tensor) -> Tensor:
    if value.is_complex():
        raise UnfitError(value, but=_COMPLEX)
    if value.is_meta or value.layout is not torch.strided:
        raise UnfitError(value, but=f"one without numbers in it ({value.layout}, {value.device})")
    return value


def _numpy(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        dense = _dense(value).detach().cpu()
        found = dense.float().numpy() if dense.dtype == torch.bfloat16 else dense.numpy()
    elif isinstance(value, np.ndarray | pd.Series | list | tuple):
        try:
            found = np.asarray(value)
        except (TypeError, ValueError) as error:  # lists of unequal length
            raise UnfitError(value) from error
    else:
        raise UnfitError(value)
    if found.dtype.kind == "c":
        raise UnfitError(value, but=_COMPLEX)
    if found.dtype.kind not in "fiub":
        raise UnfitError(value)
    return found


def _as_floating(found: Any) -> Any:
    """Whole numbers as floating-point ones; bools are none, and stay."""
    if isinstance(found, Tensor):
        whole = not found.is_floating_point() and found.dtype != torch.bool
        return found.float() if whole else found
    return found.astype(float) if found.dtype.kind in "iu" else found


def _device(value: Any) -> Any:
    if not isinstance(value, str | torch.device):
        raise UnfitError(value)
    try:
        torch.empty(0, device=value)
    except (RuntimeError, AssertionError) as error:
        raise UnfitError(value, but=f"{str(value)!r}, which is not there") from error
    return value


DEVICE = Kind(
    'a device such as "cpu"',
    "devices",
    _device,
    lambda value: isinstance(value, str | torch.device),
)
PLAIN: dict[Any, Kind] = {
    Tensor: Kind("a tensor", "tensors", _tensor, lambda v: isinstance(v, Tensor)),
    np.ndarray: Kind("a numpy array", "numpy arrays", _numpy, lambda v: isinstance(v, np.ndarray)),
    torch.device: DEVICE,
}
