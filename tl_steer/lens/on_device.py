"""Tensors that follow the activations to their device."""

import torch
from torch import Tensor


class OnDevice:
    """Tensors that are copied to a device once, when they are first needed there.

    A copy waits for the GPU, and a hook must not.
    """

    def __init__(self, *tensors: Tensor) -> None:
        """Take tensors on any device."""
        self._tensors = tensors
        self._ready: dict[torch.device, tuple[Tensor, ...]] = {}

    def __call__(self, acts: Tensor) -> tuple[Tensor, ...]:
        """Return them on the device of the activations."""
        if acts.device not in self._ready:
            # Kept for later passes too, which may want gradients: no tensor of inference mode.
            with torch.inference_mode(False):
                self._ready[acts.device] = tuple(
                    (tensor.clone() if tensor.is_inference() else tensor).to(acts.device)
                    for tensor in self._tensors
                )
        return self._ready[acts.device]
