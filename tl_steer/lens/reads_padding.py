"""Models that read padding as text, whatever the mask says: recurrent ones that keep no mask."""

from typing import Any

from torch.utils.hooks import RemovableHandle

from tl_steer.errors import MismatchError
from tl_steer.lens.protocol import Host, SteerableModel
from tl_steer.lens.sites import sites_of
from tl_steer.lens.unsupported import class_of


def reads_padding(model: SteerableModel) -> bool:
    """Whether padding before a text changes what the model makes of it."""
    return sites_of(model).reads_padding


def refuse_padding(model: SteerableModel, host: Host) -> RemovableHandle | None:
    """Let a model that reads padding refuse passes with padding before a text.

    Args:
        model: The model.
        host: What runs for it.

    Returns:
        What ends that; ``None`` for other models, to which nothing is attached.
    """
    if not reads_padding(model):
        return None
    name = class_of(model)

    def before(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.ndim == 2 and not bool(mask[:, 0].all()):
            raise MismatchError(
                f"{name} reads the padding before a text as part of it, whatever the mask says, so "
                "a text in such a batch is not what it is alone. Give prompts of one length, or "
                "one at a time; ts.generate does that by itself."
            )

    wrapped: Any = getattr(host, "original_model", host)
    handle: RemovableHandle = wrapped.register_forward_pre_hook(before, with_kwargs=True)
    return handle
