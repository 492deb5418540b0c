"""Directions on disk: one safetensors file, tensors by hook name, the rest as JSON beside them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from tl_steer.directions.direction import Direction
from tl_steer.directions.directions import Directions
from tl_steer.directions.provenance import Provenance
from tl_steer.errors import StorageError
from tl_steer.files import write_whole
from tl_steer.lens.protocol import ModelInfo

_KEY = "tl_steer"
_FORMAT = 1


def save(directions: Mapping[str, Direction], path: str | Path) -> Path:
    """Write directions so that a reader never sees half a file.

    Args:
        directions: At least one.
        path: Ends with ``.safetensors``; an older file of that name is replaced.

    Raises:
        StorageError: For another ending, no direction, or a folder that cannot be written.
    """
    target = Path(path)
    if target.suffix != ".safetensors":
        raise StorageError(f"{target}: directions are saved as .safetensors files.")
    if not directions:
        raise StorageError(f"{target}: there is no direction to save.")
    about = {
        name: {"scale": each.scale, "hook_name": each.hook_name, **asdict(each.provenance)}
        for name, each in directions.items()
    }
    header = {_KEY: json.dumps({"format": _FORMAT, "directions": about})}
    tensors = {name: each.vector.contiguous() for name, each in directions.items()}
    data = to_bytes(tensors, metadata=header)
    return write_whole(target, data)


def load(path: str | Path) -> Directions:
    """Read directions from a file.

    Raises:
        StorageError: For a file that is missing, damaged, not safetensors, not tl_steer's, or from
            a newer tl_steer. Nothing in a file is ever executed.
    """
    source = Path(path)
    try:
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise StorageError(f"{source}: no such file.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise StorageError(
            f"{source}: not a whole safetensors file ({error}). Copy it again, or compute the "
            "directions anew."
        ) from error
    if _KEY not in metadata:
        raise StorageError(f"{source}: a safetensors file, but not one that tl_steer saved.")
    try:
        header = json.loads(metadata[_KEY])
        version = header["format"]
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"format {version!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(f"{source}: its description cannot be read ({error}).") from error
    if version > _FORMAT:
        raise StorageError(
            f"{source}: written in format {version}; this tl_steer reads up to {_FORMAT}. "
            "Install a newer tl_steer."
        )
    try:
        found = {
            name: _direction(about, tensors[name]) for name, about in header["directions"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{source}: its description is not complete ({error!r}).") from error
    if not found:
        raise StorageError(f"{source}: there is no direction in it.")
    return Directions(found)


def _direction(about: dict[str, Any], vector: Any) -> Direction:
    rest = dict(about)
    scale, hook_name = float(rest.pop("scale")), str(rest.pop("hook_name"))
    model = ModelInfo(**rest.pop("model"))
    return Direction(vector, hook_name, scale, Provenance(model=model, **rest))
