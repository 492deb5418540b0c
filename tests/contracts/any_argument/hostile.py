"""What is given to every parameter of every public function, one after the other."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import tl_steer as ts

WIDE = 32
"""Numbers a token in the residual stream of the model that is tried."""


def _two() -> Any:
    yield from ("the film", "a movie")


def _numbers() -> Any:
    yield from (1, 2)


def _own(*args: Any, **kwargs: Any) -> Any:
    return None


class _Own:
    """Something of a user's that is none of ours."""


PLAIN: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "an int": lambda: 3,
    "zero": lambda: 0,
    "a negative int": lambda: -1,
    "a huge int": lambda: 10**400,
    "True": lambda: True,
    "a float": lambda: 0.5,
    "a negative float": lambda: -0.5,
    "NaN": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "a complex number": lambda: 1j,
    "a Decimal": lambda: Decimal("0.5"),
    "a Fraction": lambda: Fraction(1, 2),
    "a text": lambda: "the film",
    "an empty text": lambda: "",
    "a text that is no expression": lambda: "(film",
    "bytes": lambda: b"the film",
    "a path": lambda: Path("nowhere/at all"),
    "a list of texts": lambda: ["the film", "a movie"],
    "a list of one text": lambda: ["the film"],
    "an empty list": list,
    "an empty tuple": lambda: (),
    "a list of ints": lambda: [1, 2],
    "a list of floats": lambda: [1.5, 1.2],
    "a list with NaN": lambda: [1.0, float("nan")],
    "a list of bools": lambda: [True, False],
    "a list of None": lambda: [None, None],
    "a list of lists of ints": lambda: [[5, 6, 7], [8]],
    "a list of an int and a text": lambda: [1, "the film"],
    "a list of empty texts": lambda: ["", " "],
    "a set of texts": lambda: {"the film", "a movie"},
    "a dict": lambda: {"a": 1},
    "an empty dict": dict,
    "a dict of texts": lambda: {"a": ["the film"]},
    "dict values": lambda: {"a": "the film", "b": "a movie"}.values(),
    "a deque of texts": lambda: deque(["the film", "a movie"]),
    "a generator of texts": _two,
    "a generator of ints": _numbers,
    "a range": lambda: range(2),
    "a slice": lambda: slice(0, 1),
    "a slice of texts": lambda: slice("a", "b"),
    "a numpy int": lambda: np.int64(2),
    "a numpy float": lambda: np.float32(0.5),
    "a numpy NaN": lambda: np.float64("nan"),
    "a numpy bool": lambda: np.bool_(True),
    "a numpy text": lambda: np.str_("the film"),
    "a numpy array of no dimension": lambda: np.array(2),
    "a numpy array of ints": lambda: np.array([1, 2]),
    "a numpy array of floats": lambda: np.array([1.0, 2.0]),
    "a numpy array of texts": lambda: np.array(["the film", "a movie"]),
    "a numpy array of objects": lambda: np.array([None, "a"], dtype=object),
    "an empty numpy array": lambda: np.array([]),
    "a numpy vector": lambda: np.linspace(-1, 1, WIDE),
    "a torch int": lambda: torch.tensor(2),
    "a torch float": lambda: torch.tensor(0.5),
    "a torch bool": lambda: torch.tensor(True),
    "a torch NaN": lambda: torch.tensor(float("nan")),
    "a tensor of ints": lambda: torch.tensor([1, 2]),
    "a tensor of floats": lambda: torch.tensor([1.0, 2.0]),
    "a tensor of token ids": lambda: torch.tensor([[5, 6], [7, 8]]),
    "an empty tensor": lambda: torch.tensor([]),
    "a vector": lambda: torch.linspace(-1, 1, WIDE),
    "a vector that needs gradients": lambda: torch.ones(WIDE).requires_grad_(),
    "a vector in float16": lambda: torch.linspace(-1, 1, WIDE).half(),
    "a vector of ints": lambda: torch.arange(WIDE),
    "a vector of bools": lambda: torch.arange(WIDE) > 3,
    "a complex vector": lambda: torch.linspace(-1, 1, WIDE) + 1j,
    "a vector with NaN": lambda: torch.full((WIDE,), float("nan")),
    "a vector of another width": lambda: torch.linspace(-1, 1, WIDE + 1),
    "a matrix": lambda: torch.eye(WIDE),
    "a meta tensor": lambda: torch.ones(WIDE, device="meta"),
    "a sparse tensor": lambda: torch.eye(WIDE).to_sparse(),
    "a series of texts": lambda: pd.Series(["the film", "a movie"], index=[7, 9]),
    "a series of ints": lambda: pd.Series([1, 2], index=[7, 9]),
    "a series of floats": lambda: pd.Series([1.0, 2.0], index=[7, 9]),
    "a series with NaN": lambda: pd.Series([1.0, None]),
    "a series of categories": lambda: pd.Series(["the film", "a movie"], dtype="category"),
    "a pandas index": lambda: pd.Index(["the film", "a movie"]),
    "pandas NA": lambda: pd.NA,
    "a frame": lambda: pd.DataFrame({"a": [1, 2]}),
    "an empty frame": lambda: pd.DataFrame(),
    "a function": lambda: _own,
    "a function of nothing": lambda: lambda: 0.0,
    "a class": lambda: _Own,
    "an object": lambda: _Own(),
    "the ellipsis": lambda: ...,
}
"""Made anew for every call: a generator can be read once."""

OURS: dict[str, Callable[[Any], Any]] = {
    "a Direction": lambda world: world.direction,
    "a list of Directions": lambda world: [world.direction, world.other],
    "a zero Direction": lambda world: world.direction * 0,
    "Directions": lambda world: world.directions,
    "an Add": lambda world: world.add,
    "a list of Adds": lambda world: [world.add, world.add],
    "an Add with two rows": lambda world: ts.Add(world.direction, [1.0, 2.0]),
    "a Steering": lambda world: world.steering,
    "a Steering of nothing": lambda world: ts.Steering(),
    "a Sampling": lambda world: ts.Sampling(2),
    "Activations": lambda world: world.activations,
    "a ContrastSet": lambda world: world.pairs,
    "Generations": lambda world: world.generations,
    "a judge": lambda world: world.judge,
    "a scope": lambda world: ts.prompt,
    "the class of a scope": lambda world: ts.Keywords,
    "the class of a read": lambda world: ts.LastToken,
    "a strength": lambda world: ts.strengths.WarmUp(2),
    "a metric": lambda world: world.metric,
    "a model": lambda world: world.model,
    "a plain model": lambda world: torch.nn.Linear(2, 2),
}
"""Of tl_steer's own, each where another is wanted."""

HOSTILE = {name: (lambda world, make=make: make()) for name, make in PLAIN.items()} | OURS
