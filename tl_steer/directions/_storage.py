"""Directions on disk: one safetensors file, tensors by hook name, the rest as JSON beside them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import save as to_bytes
from torch import Tensor

from tl_steer.directions._given import Parts
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import FileError, StorageError
from tl_steer.files.json_files import parsed_object
from tl_steer.files.opening import AnyPath, naming
from tl_steer.files.restoring import restored
from tl_steer.files.tensors import read_tensors
from tl_steer.files.writing import write_whole
from tl_steer.lens.protocol import ModelInfo

Made = TypeVar("Made")

_KEY = "tl_steer"
_FORMAT = 1
_ADVICE = "Copy it again, or compute the directions anew."
_FOREIGN = (
    "Only what Direction.save or Directions.save wrote is read here; read this with the program "
    "that wrote it, and make a direction of the vector: Direction.of(vector, at=…, model=model)."
)


def save(directions: Mapping[str, Parts], path: AnyPath) -> Path:
    """Write directions so that a reader never sees half a file.

    Args:
        directions: The parts of at least one, by hook name.
        path: Ends with ``.safetensors``; an older file of that name is replaced.

    Raises:
        StorageError: For another ending, no direction, or a folder that cannot be written.
    """
    target = Path(path)
    if target.suffix != ".safetensors":
        raise StorageError(f"{target}: expected a file name that ends with .safetensors.")
    if not directions:
        raise StorageError(f"{target}: expected at least one direction to save, got none.")
    about = {
        name: {"scale": scale, "hook_name": hook_name, **asdict(provenance)}
        for name, (_, hook_name, scale, provenance) in directions.items()
    }
    header = {_KEY: json.dumps({"format": _FORMAT, "directions": about})}
    tensors = {name: vector.contiguous() for name, (vector, *_) in directions.items()}
    data = to_bytes(tensors, metadata=header)
    return write_whole(target, data)


def load(path: AnyPath, make: Callable[..., Made]) -> dict[str, Made]:
    """Read directions from a file, by hook name.

    Args:
        path: What :func:`save` wrote.
        make: Makes a direction of its parts; what it refuses is said of the file.

    Raises:
        FileError: For a file that is missing, damaged, not safetensors, not tl_steer's, or from
            a newer tl_steer. Nothing in a file is ever executed.
    """
    source = Path(path)
    if not source.exists():
        raise FileError(f"{source}: no such file.")
    tensors, metadata = read_tensors(source, _ADVICE, _FOREIGN)
    if _KEY not in metadata:
        raise FileError(f"{source}: a safetensors file, but tl_steer did not save it.")
    where = f"{source}: its description cannot be read"
    header = parsed_object(metadata[_KEY], where)
    version = header.get("format")
    if not isinstance(version, int) or version < 1:
        raise FileError(f"{where} (format {version!r}).")
    if version > _FORMAT:
        raise FileError(
            f"{source}: written in format {version}; this tl_steer reads up to {_FORMAT}. "
            "Install a newer tl_steer."
        )
    described = header.get("directions")
    with naming(source):
        if not isinstance(described, dict):
            raise FileError("the description is incomplete: it lists no directions.")
        found = {name: _direction(name, about, tensors, make) for name, about in described.items()}
    if not found:
        raise FileError(f"{source}: no direction in this file.")
    return found


def _direction(
    name: str, about: Any, tensors: dict[str, Tensor], make: Callable[..., Made]
) -> Made:
    where = f"its description is incomplete: {name}"
    if not isinstance(about, dict) or name not in tensors:
        raise FileError(f"{where} lacks its numbers or their description.")
    vector = tensors[name]
    if not vector.is_floating_point() or vector.ndim not in (1, 2) or not vector.numel():
        kind = str(vector.dtype).removeprefix("torch.")
        raise FileError(
            f"{name}: expected a direction, got {list(vector.shape)} numbers of type {kind}."
        )
    rest = dict(about)
    scale, hook_name = rest.pop("scale", None), rest.pop("hook_name", None)
    model = restored(ModelInfo, rest.pop("model", None), f"{where}, model")
    provenance = restored(Provenance, rest, where, model=model)
    if isinstance(scale, bool) or not isinstance(scale, int | float):
        raise FileError(f"{where}: the scale is not a number.")
    if not isinstance(hook_name, str):
        raise FileError(f"{where}: the hook name is missing.")
    try:
        return make(vector, hook_name, float(scale), provenance)
    except OverflowError as error:
        raise FileError(f"{where}: the scale is too large.") from error
