"""The model that a command is about."""

from pathlib import Path
from typing import Any

import torch

from tl_steer.data import packaged_model, packaged_model_dir
from tl_steer.lens.loading import load_hub, load_local
from tl_steer.lens.protocol import SteerableModel

PACKAGED = "packaged"


def model_of(name: str, device: str | None) -> SteerableModel:
    """Load the packaged model, a checkpoint from a folder, or one of a model hub.

    Args:
        name: ``packaged``, a folder, or a name such as ``gpt2``.
        device: CUDA where there is one by default.

    Raises:
        SteerError: For what cannot be loaded, saying why.
    """
    if name == PACKAGED:
        return packaged_model(device=device)
    if Path(name).is_dir():
        return load_local(name, device=device)
    return load_hub(name, device=device)


def plain_of(name: str, device: str | None) -> Any:
    """Load the same model as plain transformers does, in float32, with weights of its own."""
    from transformers import AutoModelForCausalLM

    folder = packaged_model_dir() if name == PACKAGED else name
    plain: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return plain.to(where).eval()
