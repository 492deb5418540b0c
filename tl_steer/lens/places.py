"""Hook points in short: a layer's number, or a site of every layer, instead of a whole hook name.

A number means the residual stream after that block, ``blocks.15.hook_resid_post``; a negative one
counts from the model's end. The name of a site alone, ``hook_resid_post``, means all layers.
"""

import operator
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from tl_steer.arguments import Words
from tl_steer.errors import HookNameError
from tl_steer.lens.hook_names import layer_of, resolve, site_of
from tl_steer.lens.protocol import SteerableModel

Place = Annotated[
    str | int,
    Words("a hook name or the number of a layer", "hook names or numbers of layers"),
]
"""One hook point: its name, or the number of a layer."""

Places = Annotated[
    Place | Sequence[Place],
    Words(
        "a hook name, the number of a layer or several of these",
        "hook names or numbers of layers",
        'For example "blocks.*.hook_resid_post", 15 or [10, 11].',
        HookNameError,
    ),
]
"""One or several: names, patterns, sites of every layer, numbers of layers."""

STREAM = "hook_resid_post"
"""The site that a layer's number means where nothing else is obvious."""


def hook_names(model: SteerableModel, at: Places, *, site: str = STREAM) -> tuple[str, ...]:
    """Turn places into the model's hook names, in the order given.

    Args:
        model: Whose hook points are meant.
        at: One place or several.
        site: What stands after the block where only a layer's number is given.

    Returns:
        Each name once; patterns and sites are expanded from the first layer to the last.

    Raises:
        HookNameError: For a layer or a site that the model lacks, or anything but a place.
    """
    n_layers = int(model.cfg.n_layers)
    return resolve(model, [_pattern(each, n_layers, site) for each in several(at)])


def hook_name(model: SteerableModel, at: Place, *, site: str = STREAM) -> str:
    """Turn one place into a hook name of the model.

    Raises:
        HookNameError: Also for a pattern that means several.
    """
    if isinstance(at, str) and not _is_site(at):
        layer_of(at)
    found = hook_names(model, at, site=site)
    if len(found) > 1:
        raise HookNameError(
            f"{at!r} means {len(found)} hook points, {found[0]} to {found[-1]}; expected one. Give "
            f"its name, {found[-1]!r}, or the number of a layer."
        )
    return found[0]


def name_at(at: Place, *, site: str = STREAM, n_layers: int = 0) -> str:
    """Turn a place into a hook name without asking a model; a name stays what it is.

    Args:
        at: A hook name, or the number of a layer.
        site: What stands after the block where only a layer's number is given.
        n_layers: How many layers the model has; 0 where it is not known.

    Raises:
        HookNameError: For what is neither, and for a layer that the model lacks.
    """
    return at if isinstance(at, str) else _pattern(at, n_layers, site)


def number_of(layer: Any) -> int | None:
    """Return a whole number as Python's own; ``None`` for anything else, ``True`` included."""
    if isinstance(layer, str | bool):
        return None
    try:
        return operator.index(layer)
    except TypeError:
        return None


def counted(layer: int, n_layers: int) -> int:
    """Return the layer that a number means, counted from the end where it is negative.

    Raises:
        HookNameError: For a layer that the model lacks, or cannot have where its depth is unknown.
    """
    if not n_layers:
        if layer < 0:
            raise HookNameError(
                f"layer {layer} counts from the end of a model that is not known. Count from the "
                "front, or give the model."
            )
        return layer
    if not -n_layers <= layer < n_layers:
        raise HookNameError(
            f"layer {layer}: this model has layers 0 to {n_layers - 1}, or {-n_layers} to -1 "
            "counted from the end."
        )
    return layer % n_layers


def picked(
    names: Iterable[str], at: Any, n_layers: int, *, absent: str, take: str = ""
) -> str | list[str]:
    """Find the names that a name, a layer's number, or a slice of layers means.

    Args:
        names: Those that there are.
        at: A name or number for one of them, a slice for several: ``10:19`` is 10 to 18.
        n_layers: How many layers the model has; 0 where it is not known.
        absent: What is said where there is none: ``no direction was read there``.
        take: How to take those of one site alone: ``directions.at({site!r})``.

    Raises:
        HookNameError: When none fits, or several fit a number, with those that there are.
    """
    there = list(names)
    if isinstance(at, slice):
        return _within(there, at, n_layers)
    number = number_of(at)
    if number is None:
        if isinstance(at, str) and at in there:
            return at
        raise HookNameError(f"{at!r}: {absent}. Available: {_shown(there)}.")
    layer = counted(number, n_layers)
    found = [name for name in there if layer_of(name) == layer]
    if len(found) == 1:
        return found[0]
    if not found:
        asked = f"layer {number}" + (f", which is {layer}" if number < 0 else "")
        raise HookNameError(f"{asked}: {absent}. Available: {_shown(there)}.")
    one = f", or take {take.format(site=site_of(found[-1]))}[{number}]" if take else ""
    raise HookNameError(
        f"layer {number} has {len(found)}: {', '.join(found)}. Give the whole name{one}."
    )


def _within(names: Sequence[str], layers: slice, n_layers: int) -> list[str]:
    ends = (layers.start, layers.stop, layers.step)
    if any(end is not None and number_of(end) is None for end in ends):
        raise HookNameError(f"{layers!r}: layers are numbers, as in [10:19].")
    known = n_layers or 1 + max(map(layer_of, names), default=0)
    if not n_layers and any(end is not None and number_of(end) < 0 for end in ends[:2]):  # type: ignore[operator]
        counted(-1, n_layers)
    wanted = range(*layers.indices(known))
    found = [name for layer in wanted for name in names if layer_of(name) == layer]
    if not found:
        raise HookNameError(
            f"layers {layers.start} to {layers.stop}: none of them is there. Available: "
            f"{_shown(names)}."
        )
    return found


def several(at: Any) -> list[Any]:
    """Return places as a list; what is no place is left to whoever looks at it."""
    if isinstance(at, str | bytes) or number_of(at) is not None:
        return [at]
    try:
        return list(at)
    except TypeError:
        return [at]


def _pattern(at: Any, n_layers: int, site: str) -> str:
    if isinstance(at, str):
        return f"blocks.*.{at}" if _is_site(at) else at
    number = number_of(at)
    if number is None:
        raise HookNameError(
            f"{at!r} is not a hook point. Expected a name such as 'blocks.7.{site}', the number of "
            f"a layer, or a site of every layer such as {site!r}."
        )
    return f"blocks.{counted(number, n_layers)}.{site}"


def _is_site(text: str) -> bool:
    try:
        return site_of(f"blocks.0.{text}") == text
    except HookNameError:
        return False


def _shown(names: Sequence[str]) -> str:
    shown = list(names) if len(names) <= 6 else [*names[:2], "…", names[-1]]
    return ", ".join(shown) or "none"
