"""What is asked of a sparse autoencoder, and what its decoder's rows are in the model's units."""

from collections.abc import Callable, Iterator, Mapping
from math import prod, sqrt
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from tl_steer.arguments import means
from tl_steer.errors import HookNameError, MismatchError, SteerError
from tl_steer.lens.hook_names import resolve, site_shape
from tl_steer.lens.protocol import SteerableModel
from tl_steer.shapes import Examples

_TOKENS_AT_ONCE = 512

# What a token is divided by before it is encoded, and multiplied with after it is decoded.
_SCALES: Mapping[str, Callable[[Examples], Tensor]] = {
    "none": lambda vectors: torch.ones(len(vectors)),
    "constant_norm_rescale": lambda vectors: vectors.norm(dim=-1) / sqrt(vectors.shape[-1]),
    "layer_norm": lambda vectors: vectors.std(dim=-1),
}


@means("a sparse autoencoder", instead="It needs cfg, W_dec and encode.")
@runtime_checkable
class SparseAutoencoder(Protocol):
    """The structural type that the autoencoders of ``sae-lens`` satisfy, and others may.

    ``cfg.metadata.hook_name`` or ``cfg.hook_name`` says where it reads and writes.
    """

    cfg: Any

    @property
    def W_dec(self) -> Any:  # noqa: N802, as it is called there
        """``Float[Tensor, "feature d_model"]``: what each feature writes."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Activations to features, ``token d_model`` to ``token feature``."""
        ...


def hook_name_of(model: SteerableModel, sae: SparseAutoencoder) -> str:
    """Return where an autoencoder reads and writes, checked against a model.

    Raises:
        SteerError: If it is not an autoencoder, or one that does not say where it belongs.
        HookNameError: For a hook point that the model lacks, or that is not as wide as the
            residual stream.
        MismatchError: For one of another width, one that writes elsewhere than it reads, or one
            whose normalisation needs numbers that it does not hold.
    """
    name = _said(sae, "hook_name")
    if not isinstance(name, str):
        raise SteerError(
            "this autoencoder does not say where it belongs: set cfg.metadata.hook_name, e.g. to "
            '"blocks.7.hook_resid_post".'
        )
    written = _said(sae, "hook_name_out")
    if written not in (None, name):
        raise MismatchError(
            f"this is a transcoder: it reads {name} and writes {written}. Its features' "
            "activations say nothing about the place that they steer."
        )
    if resolve(model, name) != (name,):
        raise HookNameError(f"{name!r}: expected one hook point for the autoencoder.")
    shape, width = site_shape(model, name), tuple(sae.W_dec.shape)
    if shape != (int(model.cfg.d_model),):
        raise HookNameError(
            f"{name} is not written to the residual stream as it is, so no tokens can be read from "
            "it. Use an autoencoder of hook_resid_*, hook_mlp_out or hook_attn_out."
        )
    if len(width) != 2 or width[1] != prod(shape):
        raise MismatchError(
            f"{name} has {prod(shape)} numbers a token, so W_dec must be features × {prod(shape)}; "
            f"this autoencoder's is {' × '.join(map(str, width))}. Is it of another model?"
        )
    if _normalisation(sae) not in _SCALES:
        raise MismatchError(
            f"this autoencoder was trained on activations normalised by {_normalisation(sae)!r}, "
            "with numbers that it does not hold. Fold them into its weights first: "
            "sae.fold_activation_norm_scaling_factor(…) or sae.fold_activation_whitening(…)."
        )
    return name


def prepends_bos(sae: SparseAutoencoder) -> bool | None:
    """Whether it was trained on texts with a beginning-of-text token; ``None`` if it is silent."""
    said = _said(sae, "prepend_bos")
    return None if said is None else bool(said)


def units_of(sae: SparseAutoencoder, vectors: Examples) -> float:
    """How many activation units one unit of a decoder row is, on average over tokens.

    An autoencoder that scales each token before it encodes scales back what it decodes: by
    ``‖h‖ / √d`` (``constant_norm_rescale``) or by the standard deviation over dimensions
    (``layer_norm``). Others write their rows as they are. Biases, of the decoder too, are the same
    for every feature, and no part of its row.
    """
    scale = _SCALES[_normalisation(sae)]
    return float(scale(vectors).mean())


@torch.no_grad()
def encoded(sae: SparseAutoencoder, vectors: Examples) -> Iterator[tuple[slice, Tensor]]:
    """Encode activations, some hundreds at a time.

    Yields:
        Which of them, and ``Float[Tensor, "token feature"]`` in float32, where the autoencoder is.
    """
    weight = sae.W_dec
    for start in range(0, len(vectors), _TOKENS_AT_ONCE):
        some = slice(start, start + _TOKENS_AT_ONCE)
        yield some, sae.encode(vectors[some].to(weight.device, weight.dtype)).detach().float()


def _normalisation(sae: SparseAutoencoder) -> str:
    return str(getattr(sae.cfg, "normalize_activations", "none"))


def _said(sae: SparseAutoencoder, field: str) -> Any:
    metadata = getattr(sae.cfg, "metadata", None)
    said = getattr(metadata, field, None)
    return getattr(sae.cfg, field, None) if said is None else said
