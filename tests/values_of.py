"""A value of every public kind: of real parts where they are made easily, else of its fields."""

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from activations_of import activations_of
from fronts import to_call
from interventions_of import INTERVENTIONS
from making import direction, shared_model
from scopes_of import SCOPES
from strengths_of import STRENGTHS

import tl_steer as ts
from tl_steer.frozen import FrozenDict
from tl_steer.interventions import Intervention
from tl_steer.judges import Judge
from tl_steer.lens.protocol import ModelInfo, SteerableModel, model_info

AT = "blocks.1.hook_resid_post"


def twice(texts: Sequence[str]) -> list[float]:
    """A judge's function, of a module."""
    return [2.0] * len(texts)


def real_values() -> dict[str, Any]:
    """Values as users make them, by name."""
    model = shared_model("bridge", "llama")
    joy = direction(model, AT)
    acts = activations_of(*torch.randn(2, 12, 32), at=AT, model=model_info(model), paired=True)
    found = {
        "Direction": joy,
        "Directions": ts.Directions({AT: joy}),
        "Activations": acts,
        "ContrastSet": ts.ContrastSet(["good"], ["bad"], name="films"),
        "Preferences": ts.data.Preferences(["a"], ["b"], ["c"]),
        "MultipleChoice": ts.data.MultipleChoice(["a"], [["b", "c"]], [0]),
        "conceptors": ts.directions.conceptors(acts),
        "leace": ts.leace(acts),
        "linear_transport": ts.directions.linear_transport(acts),
        "Steering": ts.Steering(ts.Add(joy, 2.0), calm=ts.Ablate(joy)).off("calm"),
        "FunctionJudge": ts.judges.function_judge("twice", twice),
        "Sampling": ts.Sampling(seed=3),
    }
    found |= {f"intervention {name}": make(model, AT) for name, make in INTERVENTIONS.items()}
    found |= {f"scope {name}": make(model) for name, make in SCOPES.items()}
    found |= {f"strength {name}": make(model) for name, make in STRENGTHS.items()}
    return found


def public_dataclasses() -> list[type]:
    return [
        each
        for each in to_call().values()
        if inspect.isclass(each) and dataclasses.is_dataclass(each)
    ]


def made_of_fields(kind: type) -> Any:
    """An instance with something of the declared type in every field; nothing is checked."""
    made = object.__new__(kind)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(made, field.name, sample(hints[field.name]))
    return made


_PLAIN: dict[Any, Callable[[], Any]] = {
    str: lambda: "a",
    int: lambda: 3,
    float: lambda: 0.5,
    bool: lambda: True,
    object: lambda: "anything",
    Any: lambda: "anything",
    type(None): lambda: None,
    Path: lambda: Path("a"),
    slice: lambda: slice(1, 2),
    torch.Tensor: lambda: torch.tensor([1.0, float("nan")]),
    np.ndarray: lambda: np.array([1.0, float("nan")]),
    pd.DataFrame: lambda: pd.DataFrame({"a": ["b", "c"], "n": [1.5, float("nan")]}),
    ts.Direction: lambda: direction(shared_model("bridge", "llama"), AT),
    ModelInfo: lambda: ModelInfo("small", 4, 32, "raw"),
    ts.Directions: lambda: ts.Directions({AT: direction(shared_model("bridge", "llama"), AT)}),
    ts.Steering: ts.Steering,
    Judge: lambda: ts.judges.function_judge("twice", twice),
    SteerableModel: lambda: "a model",
}


def sample(hint: Any) -> Any:
    """Something of a type."""
    if hint in _PLAIN:
        return _PLAIN[hint]()
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(hint, "array_type"):
        return sample(hint.array_type)
    if origin in (typing.Union, types.UnionType):
        return sample(args[0])
    if origin is typing.Literal:
        return args[0]
    if origin is tuple:
        return tuple(map(sample, args[:-1] if args[-1] is ... else args))
    if origin is not None and issubclass(origin, Mapping):
        return FrozenDict({sample(args[0]): sample(args[1])})
    if origin is not None and issubclass(origin, Sequence | set | frozenset):
        return (list if issubclass(origin, Sequence) else origin)([sample(args[0])])
    if origin is not None and issubclass(origin, Callable):  # type: ignore[arg-type]
        return twice
    if dataclasses.is_dataclass(hint):
        return made_of_fields(hint)
    if hint is Intervention:
        return ts.Add(_PLAIN[ts.Direction](), 1.0)
    raise AssertionError(f"no example of {hint}")


def same(one: Any, other: Any) -> bool:
    """Whether two values hold the same, to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0)) and one.dtype == other.dtype
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    if type(one) is not type(other):
        return False
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
