"""What came, in plain English."""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from types import GeneratorType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

_SHOWN = 40


def shown(value: object) -> str:
    """What came as it would be written, where that is short; an ellipsis elsewhere."""
    if not _plain(value):
        return "…"
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "…"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def came(value: object) -> str:
    """What came, in words: ``0.5``, ``NaN``, ``a tensor of numbers, shape (2, 3)``."""
    if value is None or isinstance(value, bool | int | float | np.bool_ | np.number):
        return _number(value)
    if isinstance(value, str):
        return repr(str(value)) if len(value) <= _SHOWN else f"a text of {len(value)} characters"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return _structured(value) or with_article(type(value).__name__)


def with_article(name: str) -> str:
    """``a Steering``, ``an Add``."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _structured(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        what = "tensor" if isinstance(value, Tensor) else "numpy array"
        return f"a {what} of {_numbers(value)}, shape {tuple(value.shape)}"
    if isinstance(value, pd.DataFrame):
        return "a pandas DataFrame"
    if isinstance(value, pd.Series | pd.Index):
        return f"a pandas {type(value).__name__}"
    if isinstance(value, Set):
        return "a set, which has no order" if len(value) else "an empty set"
    if isinstance(value, dict):
        return "a dict" if value else "an empty dict"
    if isinstance(value, list | tuple):
        name = type(value).__name__ if type(value) in (list, tuple) else "sequence"
        return f"a {name}" if value else f"an empty {name}"
    if isinstance(value, GeneratorType):
        return "a generator"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    if isinstance(value, Iterator | Mapping) or not callable(value):
        return ""
    return "a function" if hasattr(value, "__code__") or isinstance(value, type(len)) else ""


def _numbers(value: Any) -> str:
    kind = str(value.dtype).removeprefix("torch.")
    for words, names in _DTYPES.items():
        if kind.startswith(tuple(names)):
            return words
    return "texts" if kind.startswith(("<U", "str")) else "objects"


_DTYPES: dict[str, Sequence[str]] = {
    "complex numbers": ("complex",),
    "numbers": ("float", "bfloat", "double", "half"),
    "whole numbers": ("int", "uint"),
    "bools": ("bool",),
}


def _number(value: Any) -> str:
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity" if value > 0 else "minus infinity"
    plain = value.item() if isinstance(value, np.generic) else value
    huge = isinstance(plain, int) and abs(plain) >= 10**_SHOWN
    return "a number of many digits" if huge else str(plain)


def _plain(value: object) -> bool:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic):
        return True
    if type(value) in (list, tuple, set, frozenset) and len(value) <= 8:  # type: ignore[arg-type]
        return all(_plain(each) for each in value)  # type: ignore[attr-defined]
    return type(value) is dict and len(value) <= 4 and all(map(_plain, [*value, *value.values()]))
