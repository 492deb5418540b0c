"""Patterns to hook names, and what stands at a hook point.

Names are TransformerLens' own. A pattern may hold ``*`` (any layer), ``{4..8}`` (layers 4 to 8,
both included) and ``{4,6}`` (layers 4 and 6).
"""

import re
from collections.abc import Sequence

from tl_steer.errors import HookNameError
from tl_steer.lens.protocol import Host, SteerableModel, is_bridge
from tl_steer.lens.refusals import absent, refused
from tl_steer.lens.sites import ATTENTION_SITES, VECTOR_SITES, sites_of

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
        HookNameError: For a layer or a site that the model lacks, or that holds something else
            there than its name says.
    """
    patterns = (at,) if isinstance(at, str) else tuple(at)
    if not patterns:
        raise HookNameError('Expected a hook name, such as "blocks.*.hook_resid_post"; got none.')
    names = [name for pattern in patterns for name in _expand(model, pattern)]
    sites_of(model)  # what is no model to steer is refused as that
    present = model.hook_dict
    for name in names:
        if name not in present:
            raise HookNameError(absent(model, name))
        _require_right(model, name)
    return tuple(dict.fromkeys(names))


def layer_of(name: str) -> int:
    """Return the block that a hook name belongs to.

    Raises:
        HookNameError: If it is not the name of one hook point.
    """
    layer, site = _parts(name)
    if not _NUMBER.fullmatch(layer):
        raise HookNameError(
            f'{name!r}: expected one hook point, with a number for its layer: "blocks.7.{site}".'
        )
    return int(layer)


def site_of(name: str) -> str:
    """Return what follows the block's number: ``hook_mlp_out``, ``attn.hook_z`` and so on."""
    return _parts(name)[1]


def site_shape(model: SteerableModel, name: str) -> tuple[int, ...]:
    """Return the shape of one token's activation at a hook point, e.g. ``(d_model,)``.

    It is that of what the model has shown there, layer by layer.

    Raises:
        HookNameError: If it is not a hook point of the model, or holds something else than
            its name says.
    """
    layer_of(name)
    sites = sites_of(model)
    if name not in sites.shapes:
        resolve(model, name)
    _require_right(model, name)
    return sites.shapes[name][2:]


def heads_of(model: SteerableModel, name: str) -> int:
    """Return how many heads attend at a hook point of attention scores or patterns."""
    require_readable(model, name)
    return sites_of(model).shapes[name][1]


def require_writable(model: SteerableModel, name: str) -> None:
    """Refuse a hook point where a change would do nothing, or something else than its name says.

    Raises:
        HookNameError: Saying which can be changed instead.
    """
    require_readable(model, name)
    _require_right(model, name, writing=True)


def require_readable(model: SteerableModel, name: str) -> None:
    """Refuse a hook point that nothing can be read from: also attention scores and patterns can.

    Raises:
        HookNameError: For a layer or a site that the model lacks, or that holds something else
            there than its name says.
    """
    match = _BLOCK.fullmatch(name)
    if match is not None and match["site"] in ATTENTION_SITES:
        n_layers = int(model.cfg.n_layers)
        if not _NUMBER.fullmatch(match["layer"]) or int(match["layer"]) >= n_layers:
            raise HookNameError(f"{name!r}: this model has blocks 0 to {n_layers - 1}.")
        sites_of(model)
        if name not in model.hook_dict:
            raise HookNameError(absent(model, name))
        _require_right(model, name)
    else:
        layer_of(name)
        resolve(model, name)


def order_of(name: str) -> tuple[int, int]:
    """Return where a hook point stands in a forward pass: what is smaller comes first."""
    match = _BLOCK.fullmatch(name)
    if match is None or match["site"] not in _ORDER:
        raise HookNameError(f"{name!r} is not a hook name.")
    return int(match["layer"]), _ORDER.index(match["site"])


def passes_before(model: SteerableModel, name: str, other: str) -> bool:
    """Tell whether a pass comes to one hook point before it comes to another.

    That is seen in the model: in some architectures, hook points of attention fire only when all
    of it has been computed.
    """
    sites = sites_of(model)
    here, there = sites.order(name), sites.order(other)
    if here is None or there is None:
        return order_of(name) < order_of(other)
    return here < there


def needs_writing_in_place(model: Host, name: str) -> bool:
    """Tell whether an edit must go into the tensor itself instead of being returned.

    On ``TransformerBridge``, ``hook_resid_mid`` is the input of the second layer norm: what a
    hook returns there reaches the MLP but not the skip connection. The tensor is the one that
    the skip connection adds later, so that writing into it reaches both.
    """
    return is_bridge(model) and name.endswith(".hook_resid_mid")


def _require_right(model: SteerableModel, name: str, *, writing: bool = False) -> None:
    why = refused(model, name, writing=writing)
    if why is not None:
        raise HookNameError(why)


def _parts(name: str) -> tuple[str, str]:
    match = _BLOCK.fullmatch(name)
    if match is None or match["site"] not in VECTOR_SITES:
        raise HookNameError(
            f"{name!r} is not a hook name that can be steered. Names look like "
            f'"blocks.7.hook_resid_post"; after the block may stand {", ".join(VECTOR_SITES)}.'
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
