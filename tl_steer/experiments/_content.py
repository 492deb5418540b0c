"""Settings by their content: equal settings give equal keys, in every process and on every day."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import regex
import torch
from torch import Tensor

from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_name

_LENGTH = 20


def digest(value: Any) -> str:
    """Return the first 20 hexadecimal digits of the SHA-256 of a value's content.

    Raises:
        SteerError: For something in it that has no content of its own; see :func:`content`.
    """
    text = json.dumps(content(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def content(value: Any) -> Any:
    """Write a value as plain data.

    Numbers to the last bit, tensors by their bytes, frozen dataclasses by their fields, functions
    by their name: what a function of yours does is not looked into, so change its name where you
    change what it does. Classes and functions of tl_steer go by names that they keep when they
    are moved or renamed (:mod:`tl_steer.files.stored_names`); yours by module and name.

    Raises:
        SteerError: For a lambda, a function within a function, or an object of another kind.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        raw = plain.flatten().view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        return [str(plain.dtype), list(plain.shape), hashlib.sha256(raw).hexdigest()]
    if is_dataclass(value) and not isinstance(value, type):
        kept = {each.name: content(getattr(value, each.name)) for each in fields(value)}
        return [_named(type(value)), kept]
    if isinstance(value, Mapping):
        return ["mapping", [[content(key), content(each)] for key, each in value.items()]]
    if isinstance(value, Sequence | frozenset | set):
        parts = [content(each) for each in value]
        return parts if isinstance(value, Sequence) else ["set", *sorted(map(json.dumps, parts))]
    if isinstance(value, slice):
        return ["slice", value.start, value.stop, value.step]
    if isinstance(value, re.Pattern | regex.Pattern):
        return ["pattern", content(value.pattern), value.flags]
    return _named(value)


def _named(value: Any) -> str:
    declared = stored_name(value)
    if declared is not None:
        return declared
    name = getattr(value, "__qualname__", None)
    if name is None or "<" in name:
        raise SteerError(
            f"{value!r} cannot be told from others by its content, so that its results could not "
            "be found again. Make it a function of a module, or a frozen dataclass."
        )
    return f"{value.__module__}.{name}"
