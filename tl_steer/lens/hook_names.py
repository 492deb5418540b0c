"""Patterns to hook names, and what stands at a hook point.

Names are TransformerLens' own. A pattern may hold ``*`` (any layer), ``{4..8}`` (layers 4 to 8,
both included) and ``{4,6}`` (layers 4 and 6).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from tl_steer.errors import HookNameError
from tl_steer.lens.protocol import Host, SteerableModel, is_bridge

_Shape = tuple[int, ...]


def _stream(cfg: Any) -> _Shape:
    return (int(cfg.d_model),)


def _heads(cfg: Any) -> _Shape:
    return (int(cfg.n_heads), int(cfg.d_head))


def _key_value_heads(cfg: Any) -> _Shape:
    return (int(getattr(cfg, "n_key_value_heads", None) or cfg.n_heads), int(cfg.d_head))


def _neurons(cfg: Any) -> _Shape:
    return (int(cfg.d_mlp),)


_SITES: dict[str, Callable[[Any], _Shape]] = {
    "hook_resid_pre": _stream,
    "hook_resid_mid": _stream,
    "hook_resid_post": _stream,
    "hook_attn_out": _stream,
    "hook_mlp_out": _stream,
    "attn.hook_z": _heads,
    "attn.hook_q": _heads,
    "attn.hook_k": _key_value_heads,
    "attn.hook_v": _key_value_heads,
    "mlp.hook_pre": _neurons,
    "mlp.hook_post": _neurons,
}
ATTENTION_SITES = ("attn.hook_attn_scores", "attn.hook_pattern")
"""Where attention stands: ``Float[Tensor, "batch head query key"]``, no vector a token."""

_ORDER = (
    "hook_resid_pre",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    *ATTENTION_SITES,
    "attn.hook_z",
    "hook_attn_out",
    "hook_resid_mid",
    "mlp.hook_pre",
    "mlp.hook_post",
    "hook_mlp_out",
    "hook_resid_post",
)
_NUMBER = re.compile("0|[1-9][0-9]{0,5}")
_BLOCK = re.compile(r"blocks\.(?P<layer>\{[^}]*\}|[^.]+)\.(?P<site>.+)")


def resolve(model: SteerableModel, at: str | Sequence[str]) -> tuple[str, ...]:
    """Turn names and patterns into the model's hook names, in the order of its layers.

    Args:
        model: Whose hook points are meant.
        at: One name or pattern, or several.

    Returns:
        Each name once; patterns are expanded from the first layer to the last.

    Raises:
        HookNameError: For a layer or a site that the model lacks.
    """
    patterns = (at,) if isinstance(at, str) else tuple(at)
    if not patterns:
        raise HookNameError('no hook name was given; for example "blocks.*.hook_resid_post".')
    present = model.hook_dict
    names = [name for pattern in patterns for name in _expand(model, pattern)]
    for name in names:
        if name not in present:
            raise HookNameError(
                f"{name!r}: this model has no such hook point. In block {layer_of(name)} it has "
                f"{', '.join(_sites_of(model, layer_of(name)))}."
            )
    return tuple(dict.fromkeys(names))


def layer_of(name: str) -> int:
    """Return the block that a hook name belongs to.

    Raises:
        HookNameError: For what is no hook name, a pattern for several of them included.
    """
    layer, site = _parts(name)
    if not _NUMBER.fullmatch(layer):
        raise HookNameError(
            f'{name!r}: one hook point is wanted, with a number for its layer: "blocks.7.{site}".'
        )
    return int(layer)


def site_of(name: str) -> str:
    """Return what follows the block's number: ``hook_mlp_out``, ``attn.hook_z`` and so on."""
    return _parts(name)[1]


def site_shape(model: SteerableModel, name: str) -> tuple[int, ...]:
    """Return the shape of one token's activation at a hook point, e.g. ``(d_model,)``."""
    return _SITES[site_of(name)](model.cfg)


def require_readable(model: SteerableModel, name: str) -> None:
    """Refuse a hook point that nothing can be read from: also attention scores and patterns can.

    Raises:
        HookNameError: For a layer or a site that the model lacks.
    """
    match = _BLOCK.fullmatch(name)
    if match is not None and match["site"] in ATTENTION_SITES:
        n_layers = int(model.cfg.n_layers)
        if not _NUMBER.fullmatch(match["layer"]) or int(match["layer"]) >= n_layers:
            raise HookNameError(f"{name!r}: this model has blocks 0 to {n_layers - 1}.")
        if name not in model.hook_dict:
            raise HookNameError(f"{name!r}: this model has no such hook point.")
    else:
        layer_of(name)
        resolve(model, name)


def order_of(name: str) -> tuple[int, int]:
    """Return where a hook point stands in a forward pass: what is smaller comes first."""
    match = _BLOCK.fullmatch(name)
    if match is None or match["site"] not in _ORDER:
        raise HookNameError(f"{name!r} is not a hook name.")
    return int(match["layer"]), _ORDER.index(match["site"])


def needs_writing_in_place(model: Host, name: str) -> bool:
    """Tell whether an edit must go into the tensor itself instead of being returned.

    On ``TransformerBridge``, ``hook_resid_mid`` is the input of the second layer norm: what a
    hook returns there reaches the MLP but not the skip connection. The tensor is the one that
    the skip connection adds later, so that writing into it reaches both.
    """
    return is_bridge(model) and name.endswith(".hook_resid_mid")


def _parts(name: str) -> tuple[str, str]:
    match = _BLOCK.fullmatch(name)
    if match is None or match["site"] not in _SITES:
        raise HookNameError(
            f"{name!r} is not a hook name that can be steered. Names look like "
            f'"blocks.7.hook_resid_post"; after the block may stand {", ".join(_SITES)}.'
        )
    return match["layer"], match["site"]


def _expand(model: SteerableModel, pattern: str) -> list[str]:
    layer, site = _parts(pattern)
    n_layers = int(model.cfg.n_layers)
    try:
        layers = _layers(layer, n_layers)
    except ValueError as error:
        raise HookNameError(
            f"{pattern!r}: {layer!r} is not a layer. Use a number, *, {{4..8}} or {{4,6}}."
        ) from error
    if not layers or not all(0 <= number < n_layers for number in layers):
        raise HookNameError(
            f"{pattern!r}: this model has blocks 0 to {n_layers - 1}. "
            f'Patterns such as "blocks.*.{site}" match all of them.'
        )
    return [f"blocks.{number}.{site}" for number in layers]


def _layers(text: str, n_layers: int) -> Sequence[int]:
    if text == "*":
        return range(n_layers)
    if span := re.fullmatch(r"\{([0-9]+)\.\.([0-9]+)\}", text):
        return range(int(span[1]), int(span[2]) + 1)
    if re.fullmatch(r"\{[0-9]+(,\s*[0-9]+)*\}", text):
        return [int(number) for number in text.strip("{}").split(",")]
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return [int(text)]


def _sites_of(model: SteerableModel, layer: int) -> list[str]:
    return [site for site in _SITES if f"blocks.{layer}.{site}" in model.hook_dict]
