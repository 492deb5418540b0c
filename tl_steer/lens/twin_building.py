"""A plain transformers model around the parameters of a bridge."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from tl_steer.lens.kept_cache import spare_states

_WRAPPED = "_original_component"


class UnfitError(Exception):
    """Why there can be no twin, or none for what is asked."""


def plain_model(wrapped: Any) -> Any:
    """Build the model that a bridge has wrapped once more, around the same parameters and buffers.

    Args:
        wrapped: The bridge's ``original_model``, whose modules it has replaced.

    Raises:
        UnfitError: Where some module is not what a plain model of this class has in its place.
    """
    config = deepcopy(wrapped.config)
    try:
        with torch.device("meta"):
            plain = type(wrapped)._from_config(
                config, attn_implementation=_attention(type(wrapped), config)
            )
    except Exception as error:
        raise UnfitError(
            f"{type(wrapped).__name__} cannot be built from its configuration ({error})"
        ) from error
    at = modules_by_path(wrapped)
    for path, module in plain.named_modules(remove_duplicate=False):
        _share(path, module, at)
    plain.generation_config = wrapped.generation_config
    spare_states(plain)
    return plain.eval()


def modules_by_path(wrapped: Any) -> dict[str, list[nn.Module]]:
    """Modules by where they stand in the plain model: what wraps one stands where that one does."""
    found: dict[str, list[nn.Module]] = {}
    for path, module in wrapped.named_modules(remove_duplicate=False):
        found.setdefault(_without_wrappers(path), []).append(module)
    return found


def _without_wrappers(path: str) -> str:
    return ".".join(part for part in path.split(".") if part != _WRAPPED)


def _attention(kind: Any, config: Any) -> str:
    text = config.get_text_config()
    # Scaled-dot-product attention has no place for a cap on scores, and leaves it out in silence.
    capped = getattr(text, "attn_logit_softcapping", None) is not None
    return "sdpa" if getattr(kind, "_supports_sdpa", False) and not capped else "eager"


def _share(path: str, module: nn.Module, at: dict[str, list[nn.Module]]) -> None:
    """Put the tensors of the module that stands in the same place into a plain one."""
    same = [each for each in at.get(path, ()) if type(each) is type(module)]
    if not same:
        raise UnfitError(f"{path or 'the model'} is no plain {type(module).__name__}")
    own = vars(same[-1])
    for kind in ("_parameters", "_buffers"):
        tensors = vars(module)[kind]
        for name, tensor in tensors.items():
            found = own[kind].get(name)
            # TransformerLens gives an unembedding a bias of zeros where it has none.
            if tensor is None and found is not None and not bool(found.any()):
                continue
            if _shape(found) != _shape(tensor):
                raise UnfitError(f"{path}.{name} is not what a plain model has there")
            tensors[name] = found


def _shape(tensor: torch.Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape
