"""A vector that somebody has already, and what is to be known of the hook point it is meant for."""

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tl_steer.activations import capture
from tl_steer.data import neutral_background
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.hook_names import layer_of, site_of, site_shape
from tl_steer.lens.places import Place, hook_name, name_at
from tl_steer.lens.protocol import UNKNOWN, SteerableModel, model_info, require_steerable

Parts = tuple[Tensor, str, float, Provenance]
"""What a direction is made of, in the order of its fields."""

# Of four texts on each subject, one of every second subject.
_NEUTRAL_TEXTS = slice(None, None, 8)
_HEADS = ("attn.hook_z", "attn.hook_q", "attn.hook_k", "attn.hook_v")


def given(
    vectors: Mapping[Place, Any],
    *,
    model: SteerableModel | None,
    scales: Mapping[Place, float],
    method: str,
    source: str,
) -> list[Parts]:
    """Check vectors and put them together with what directions need beside them.

    Args:
        vectors: By hook name, or by the number of a layer for the residual stream after it.
        model: The one that they are meant for, where it is known: shapes are checked against it,
            and scales that are lacking are measured in one pass over a few neutral texts.
        scales: Mean norms of the activations, by the same keys.
        method: How they were made.
        source: Where they are from.

    Raises:
        HookNameError: If it is not a hook point, or named twice.
        MismatchError: For another shape than that of the hook point.
        NonFiniteError: For NaN or infinity, and for a scale that is no norm.
        SteerError: If it is not a vector.
    """
    if model is not None:
        require_steerable(model)
    names = {place: _name(place, model) for place in vectors}
    if len({*names.values()}) < len(names):
        raise HookNameError(f"{list(names)}: two of these name the same hook point.")
    for place in scales:
        if place not in names:
            raise HookNameError(f"scales has {place!r}, for which there is no vector.")
    fitted = {names[at]: _fitted(as_vector(each), names[at], model) for at, each in vectors.items()}
    norms = {names[place]: _norm(norm, names[place]) for place, norm in scales.items()}
    lacking = [name for name in fitted if name not in norms]
    # Without a tokenizer no text can be read: then the scale is asked for where it is needed.
    if model is not None and model.tokenizer is not None and lacking:
        texts = neutral_background()[_NEUTRAL_TEXTS]
        norms |= capture(model, texts, at=lacking, progress=False).norms
    origin = Provenance(
        model=UNKNOWN if model is None else model_info(model),
        method=method,
        source=source,
        version=version("tl_steer"),
    )
    return [(vector, name, norms.get(name, 0.0), origin) for name, vector in fitted.items()]


def as_vector(vector: Any) -> Tensor:
    """Make a tensor of real numbers of a tensor, an array, a series or a list.

    Raises:
        SteerError: For anything else, and for complex numbers.
        NonFiniteError: For NaN or infinity.
    """
    if isinstance(vector, Tensor):
        # What has no numbers in it, or is laid out otherwise, torch refuses to hand over.
        kind, found = str(vector.dtype), vector.detach()
        if vector.is_meta or vector.layout is not torch.strided:
            raise SteerError(f"expected a vector, got a tensor without numbers in it ({kind}).")
        real = vector.dtype != torch.bool and not vector.is_complex()
    else:
        try:
            # A text, a dict or None become arrays of no numbers.
            array = np.asarray(vector)
        except (TypeError, ValueError, RuntimeError):
            array = np.asarray(None)
        kind, real = str(array.dtype), array.dtype.kind in "fiu"
        found = torch.from_numpy(np.array(array, dtype=np.float64)) if real else torch.empty(0)
    if not real or not found.numel() or not found.ndim:
        what = f"numbers of type {kind}" if isinstance(vector, Tensor | np.ndarray) else ""
        raise SteerError(
            f"expected a vector of real numbers, got {what or _called(vector)}. Give a torch "
            "tensor, a numpy array, a pandas series or a list of numbers."
        )
    found = found.to(device="cpu", dtype=torch.float32)
    if not bool(torch.isfinite(found).all()):
        raise NonFiniteError(
            f"{int((~torch.isfinite(found)).sum())} of the vector's {found.numel()} numbers are "
            "NaN, infinite or beyond float32."
        )
    return found


def _called(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, int | float) else _kind(value)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _name(place: Place, model: SteerableModel | None) -> str:
    if model is not None:
        return hook_name(model, place)
    name = name_at(place)
    layer_of(name)
    return name


def _fitted(vector: Tensor, name: str, model: SteerableModel | None) -> Tensor:
    """The vector in the shape of its site; axes of length one before it are left out."""
    shape = None if model is None else site_shape(model, name)
    axes = len(shape) if shape is not None else 2 if site_of(name) in _HEADS else 1
    while vector.ndim > axes and vector.shape[0] == 1:
        vector = vector[0]
    if vector.ndim == axes and shape in (None, tuple(vector.shape)):
        return vector
    came = " × ".join(map(str, vector.shape))
    if shape is None:
        wanted = "two axes, heads × d_head" if axes == 2 else "one axis"
        raise MismatchError(f"{name} has {wanted} a token; this vector is {came}.")
    advice = ""
    if vector.numel() == math.prod(shape):
        advice = f" Write vector.reshape({', '.join(map(str, shape))}), if that is their order."
    raise MismatchError(
        f"{name} has {' × '.join(map(str, shape))} numbers a token; this vector has {came}.{advice}"
    )


def _norm(scale: Any, name: str) -> float:
    try:
        norm = float(scale)
    except (TypeError, ValueError, RuntimeError):
        raise SteerError(
            f"{name}: expected the mean norm of the activations as the scale, a number; got "
            f"{_called(scale)}."
        ) from None
    if not 0 < norm < math.inf:
        raise NonFiniteError(
            f"{name}: expected a scale over 0, the mean norm of the activations; got {norm}."
        )
    return norm
