"""Tensors and what is said of them out of safetensors files; nothing in a file is ever executed."""

from pathlib import Path

from safetensors.torch import load
from torch import Tensor

from tl_steer.errors import FileError
from tl_steer.files.json_files import parsed_object
from tl_steer.files.kinds import kind_of
from tl_steer.files.opening import read_bytes, reading


def read_tensors(path: Path, advice: str, foreign: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a whole safetensors file.

    Args:
        path: The file.
        advice: What to do where it is damaged.
        foreign: What to do where it is a file of another kind.

    Returns:
        The tensors by name, and the file's own description.

    Raises:
        FileError: For a file that is missing, damaged or cut short, or of another kind, which is
            named: to copy a pickle again would not help.
    """
    data = read_bytes(path)
    try:
        with reading(path, "a whole safetensors file", advice):
            tensors = load(data)
    except FileError as error:
        kind = kind_of(data)
        if not kind:
            raise
        raise FileError(f"{path}: not a safetensors file, but {kind}. {foreign}") from error
    # The library has checked all of the header but the description, which it does not hand out.
    length = int.from_bytes(data[:8], "little")
    with reading(path, "a whole safetensors file", advice):
        header = data[8 : 8 + length].decode("utf-8")
    about = parsed_object(header, str(path)).get("__metadata__")
    return tensors, about if isinstance(about, dict) else {}
