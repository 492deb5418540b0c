"""A Hugging Face checkpoint out of a folder: read whole, or refused in one sentence."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from tl_steer.errors import FileError, SteerError
from tl_steer.files.json_files import parsed_object
from tl_steer.files.opening import read_text, reading

_READ = (
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
)
_MANY = 1000


def read_checkpoint(path: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Read a model and its tokenizer; nothing in the folder is executed.

    Returns:
        The model, in evaluation mode, and the tokenizer.

    Raises:
        SteerError: For a folder without a checkpoint, with pickled weights only, or with a model
            that needs code of its own.
        FileError: For a file in it that is damaged, or weights that are not all there.
    """
    if not (path / "config.json").is_file():
        raise SteerError(
            f"{path} has no config.json. Give the folder of a Hugging Face checkpoint."
        )
    shards = sorted(path.glob("*.safetensors"))
    if not shards:
        raise SteerError(
            f"{path} has no *.safetensors. Pickled weights are not read, because reading them can "
            "run code. Save them again with save_pretrained(folder, safe_serialization=True)."
        )
    described = {
        name: parsed_object(read_text(path / name), f"{path / name}")
        for name in _READ
        if (path / name).exists()
    }
    tensors = sum(_tensors(shard) for shard in shards)
    _require_layers(described["config.json"], tensors, path / "config.json")
    try:
        return _read(path, dtype)
    except FileError as error:
        if "auto_map" not in described["config.json"]:
            raise
        raise SteerError(
            f"{path}: config.json names code of its own (auto_map), which is not run, and the "
            "model cannot be loaded without it. If you trust it, load the model yourself with "
            "trust_remote_code=True, and wrap it with TransformerBridge.boot_transformers(name, "
            "hf_model=model, tokenizer=tokenizer)."
        ) from error


def _read(path: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    load: Any = AutoModelForCausalLM.from_pretrained
    with reading(path, "a tokenizer that transformers can read", _ADVICE):
        # None for trust_remote_code would ask a question, and wait for an answer.
        tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    with reading(path, "a model that transformers can read", _ADVICE):
        model, info = load(
            path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
            attn_implementation="eager",
            output_loading_info=True,
        )
        lacking = sorted(info["missing_keys"])
        superfluous = _of_further_blocks(info["unexpected_keys"], model.state_dict())
    if superfluous:
        # transformers would leave them out, and go on with a part of the model.
        raise FileError(
            f"{path}: {len(superfluous)} weights belong to blocks that config.json does not have, "
            f"the first {superfluous[0]}. {_ADVICE}"
        )
    if lacking:
        # transformers would draw them at random, and go on.
        raise FileError(
            f"{path}: {len(lacking)} of the model's weights are missing, the first {lacking[0]}. "
            f"{_ADVICE}"
        )
    return model, tokenizer


_ADVICE = "Copy the folder again, whole."


def _of_further_blocks(unexpected: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those weights that are named as others are but for a number."""
    forms = {re.sub(r"\d+", "N", name) for name in known}
    return sorted(name for name in unexpected if re.sub(r"\d+", "N", name) in forms)


def _tensors(shard: Path) -> int:
    with (
        reading(shard, "a whole safetensors file", "Copy it again."),
        safe_open(shard, framework="pt") as file,
    ):
        return len(list(file.keys()))


def _require_layers(config: Mapping[str, Any], tensors: int, path: Path) -> None:
    """Refuse what would be built for hours before weights were found to be lacking."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            _require_layers(value, tensors, path)
        if "layer" in name and type(value) is int and value > max(tensors, _MANY):
            raise FileError(
                f"{path}: {name} is of more layers than the {tensors} tensors beside it can fill."
            )
