"""Models that drop activations at random, which nothing should be read from or written by."""

from typing import Any

from torch import nn

from tl_steer.errors import SteerError
from tl_steer.lens.protocol import Host, is_bridge


def require_no_dropout(model: Host) -> None:
    """Refuse a model in training mode that has dropout.

    What it writes and what is read off it would differ from call to call. Training mode alone is
    no harm: a ``HookedTransformer`` is in it from the start, and has no dropout.

    Raises:
        SteerError: With the probability, and what to do.
    """
    root: Any = model.original_model if is_bridge(model) else model  # type: ignore[attr-defined]
    if not root.training:
        return
    for module in root.modules():
        dropped = _dropped(module) if module.training else 0.0
        if dropped:
            raise SteerError(
                f"{model.cfg.model_name} is in training mode and drops activations at random "
                f"(probability {dropped:g}), so no result can be repeated. Call model.eval() "
                "first."
            )


def _dropped(module: nn.Module) -> float:
    """The probability with which a module drops something."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return float(module.p)
    # Where dropout is a function, the module holds its probability, as attention_dropout say.
    held = (value for name, value in vars(module).items() if "drop" in name)
    return max((value for value in held if isinstance(value, float)), default=0.0)
