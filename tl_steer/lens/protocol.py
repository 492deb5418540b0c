"""What tl_steer asks of a model, and what it writes down about it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from tl_steer.arguments import came, checked, means
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.unsupported import why_unsupported

_WRAP_IT = (
    'Wrap yours: TransformerBridge.boot_transformers("name", hf_model=model, tokenizer=tokenizer), '
    "or HookedTransformer on TransformerLens 3."
)


def _instead(model: object) -> str:
    """What to write where something else came: encoders of TransformerLens cannot be wrapped."""
    return why_unsupported(model) or _WRAP_IT


@means("a TransformerLens model", instead=_instead)
@runtime_checkable
class SteerableModel(Protocol):
    """The structural type that ``HookedTransformer`` and ``TransformerBridge`` both satisfy.

    Nothing is subclassed and nothing is replaced in the model: tl_steer only calls these.
    """

    cfg: Any
    tokenizer: Any

    @property
    def hook_dict(self) -> Mapping[str, Any]:
        """Hook names to hook points."""
        ...

    def hooks(self, fwd_hooks: Any = ..., bwd_hooks: Any = ...) -> AbstractContextManager[Any]:
        """Hooks for the length of a block."""
        ...

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """One forward pass with hooks."""
        ...

    def run_with_cache(self, *args: Any, **kwargs: Any) -> Any:
        """One forward pass that keeps activations."""
        ...

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Text or tokens, continued."""
        ...

    def to_tokens(self, *args: Any, **kwargs: Any) -> Tensor:
        """Texts to token ids."""
        ...

    def reset_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """Removal of all hooks, the user's own included."""
        ...


@means("a TransformerLens model", instead=_instead)
@runtime_checkable
class Host(Protocol):
    """What hooks sit on and passes run through: a model itself, or what stands for it."""

    @property
    def cfg(self) -> Any:
        """The model's configuration."""
        ...

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        ...

    @property
    def hook_dict(self) -> Mapping[str, Any]:
        """Hook names to hook points."""
        ...


@stored_as("ModelInfo")
@checked
@dataclass(frozen=True)
class ModelInfo:
    """Which model a direction was read from; two models fit when these agree.

    ``name`` is the last part of the model's name, so that ``gpt2`` and ``openai-community/gpt2``
    are one. ``processing`` tells what TransformerLens did to the weights: ``raw``,
    ``layer norm folded``, ``weights centred``, or the last two joined with a comma. Activations
    of the residual stream differ between them.
    """

    name: str
    n_layers: int
    d_model: int
    processing: str

    def difference(self, other: "ModelInfo") -> str:
        """Say in words what differs; empty when nothing does, or nothing is known of one."""
        if UNKNOWN in (self, other):
            return ""
        pairs = zip(asdict(self).items(), asdict(other).values(), strict=True)
        return "; ".join(
            f"{key} is {mine!r}, not {theirs!r}" for (key, mine), theirs in pairs if mine != theirs
        )


UNKNOWN = ModelInfo(name="", n_layers=0, d_model=0, processing="")
"""Of a vector of which nobody has said what model it is for; it may be used on any of its width."""


def is_bridge(model: Host) -> bool:
    """Whether the model is a ``TransformerBridge``: it wraps a Hugging Face model, or one like it.

    Asked of the model and not of the import, because the name ``HookedTransformer`` raises on
    TransformerLens 4.
    """
    return hasattr(model, "original_model")


def require_steerable(model: object) -> None:
    """Refuse anything that is not a TransformerLens model.

    Raises:
        SteerError: When the object lacks part of :class:`SteerableModel`, or is no model that reads
            and writes from left to right.
    """
    why = why_unsupported(model)
    if why is not None:
        raise SteerError(why)
    if isinstance(model, SteerableModel):
        return
    raise SteerError(
        f"{came(model)} is not a TransformerLens model. Wrap it first: "
        'TransformerBridge.boot_transformers("name", hf_model=model, tokenizer=tokenizer), '
        "or HookedTransformer on TransformerLens 3."
    )


def model_info(model: SteerableModel) -> ModelInfo:
    """Read a model's identity from its configuration and its weights."""
    return ModelInfo(
        name=str(getattr(model.cfg, "model_name", "") or "unnamed").rstrip("/").split("/")[-1],
        n_layers=int(model.cfg.n_layers),
        d_model=int(model.cfg.d_model),
        processing=_processing(model),
    )


def device_of(model: Host) -> torch.device:
    """Where the model's tokens go: the device of its embedding."""
    return _embedding(model).device


def dtype_of(model: Host) -> torch.dtype:
    """The floating type in which the model computes."""
    return _embedding(model).dtype


def overflow_advice(model: Host) -> str:
    """What to do about an overflow, where the model's dtype can be to blame; empty elsewhere."""
    if dtype_of(model) != torch.float16:
        return ""
    return " The model runs in float16, which overflows early; load it in bfloat16 or float32."


def context_length(model: Host) -> int:
    """How many tokens fit into the model."""
    return int(model.cfg.n_ctx)


def _embedding(model: Host) -> Tensor:
    weight: Tensor = next(model.parameters())  # type: ignore[attr-defined]
    return weight


@torch.no_grad()
def _processing(model: SteerableModel) -> str:
    if is_bridge(model) and not getattr(model, "compatibility_mode", False):
        return "raw"
    # Neither class records what was done to its weights, so it is read off the first block.
    done = []
    if str(getattr(model.cfg, "normalization_type", "")).endswith("Pre"):
        done.append("layer norm folded")
    written: Tensor = model.W_O[0].float()  # type: ignore[attr-defined]
    if written.mean(dim=-1).abs().max() < 1e-5 * written.abs().max():
        done.append("weights centred")
    return ", ".join(done) or "raw"
