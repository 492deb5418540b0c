"""What came is made what is wanted where nothing is lost by it; or a sentence says what fits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.arguments import Confidence, Count, Measured, Seed, checked, means, require_columns
from tl_steer.errors import ArgumentError, DataError, NonFiniteError, SteerError


@means("a bell", instead="For example Bell(3).")
@runtime_checkable
class Rings(Protocol):
    """What a bell does."""

    def __call__(self, times: int) -> str: ...


@dataclass(frozen=True)
class Bell:
    tone: int = 1

    def __call__(self, times: int) -> str:
        return "ding" * times


@checked
def given(
    whole: int = 0,
    number: float = 0.0,
    truth: bool = True,
    text: str = "",
    texts: Sequence[str] = (),
    numbers: Sequence[float] = (),
    pair: tuple[float, float] = (0.0, 1.0),
    named: Mapping[str, int] | None = None,
    one_or_many: str | Sequence[str] = "",
    choice: Literal["left", "right"] = "left",
    function: Callable[[int], float] = float,
    bell: Rings = Bell(),
    path: str | Path = "",
    vector: Float[Tensor, " d"] | None = None,
    frame: pd.DataFrame | None = None,
    between: slice = slice(0),
    n: Count = 1,
    seed: Seed = 0,
    confidence: Confidence = 0.9,
    measured: Measured = 0.0,
    kind: type[Bell] = Bell,
    optional: int | None = None,
) -> dict[str, Any]:
    return dict(locals())


def words() -> Iterator[str]:
    yield from ("a", "b")


TAKEN: dict[str, tuple[Any, Any]] = {
    "whole": (np.int64(3), 3),
    "number": (torch.tensor(0.5), 0.5),
    "truth": (np.bool_(True), True),
    "text": (np.str_("a"), "a"),
    "texts": (pd.Series(["a", "b"], index=[4, 5]), ["a", "b"]),
    "numbers": (np.array([1, 2]), [1.0, 2.0]),
    "pair": ([1, 2], (1.0, 2.0)),
    "named": ({"a": np.int64(1)}, {"a": 1}),
    "one_or_many": (words(), ["a", "b"]),
    "path": (Path("a"), Path("a")),
    "between": (slice(np.int64(1), None), slice(1, None)),
    "n": (torch.tensor(4), 4),
    "seed": (0, 0),
    "measured": (float("inf"), float("inf")),
    "optional": (None, None),
}


@pytest.mark.parametrize("parameter", TAKEN)
def test_what_is_changed(parameter: str) -> None:
    came, wanted = TAKEN[parameter]
    found = given(**{parameter: came})[parameter]
    assert found == wanted
    assert type(found) is type(wanted)


def test_lists_and_arrays_become_tensors_and_nothing_else_is_copied() -> None:
    for came in ([1, 2], np.array([1.0, 2.0]), torch.tensor([1, 2]), pd.Series([1, 2])):
        found = given(vector=came)["vector"]
        assert found.dtype.is_floating_point
        assert found.tolist() == [1.0, 2.0]
    vector, texts, named = torch.ones(2), ["a", "b"], {"a": 1}
    found = given(vector=vector, texts=texts, named=named)
    assert found["vector"] is vector
    assert found["texts"] is texts
    assert found["named"] is named


REFUSED: list[tuple[dict[str, Any], type[SteerError], str]] = [
    ({"whole": True}, ArgumentError, "given(whole=True): expected a whole number, got True."),
    ({"whole": 2.0}, ArgumentError, "given(whole=2.0): expected a whole number, got 2.0."),
    ({"whole": 10**400}, ArgumentError, "got one that is too large."),
    ({"number": "1"}, ArgumentError, "given(number='1'): expected a number, got '1'."),
    (
        {"number": float("nan")},
        NonFiniteError,
        "given(number=nan): expected a number, got NaN, which is not",
    ),
    ({"optional": float("inf")}, ArgumentError, "expected a whole number or None, got infinity."),
    ({"truth": 1}, ArgumentError, "expected True or False, got 1."),
    ({"texts": "a"}, DataError, "expected a list of texts, got 'a'. For one text, write [text]"),
    ({"texts": {"a"}}, DataError, "expected a list of texts, got a set, which has no order."),
    ({"texts": ["a", 1]}, DataError, "expected a list of texts; item 1 is 1."),
    ({"texts": None}, DataError, "given(texts=None): expected a list of texts, got None."),
    ({"numbers": [1.0, "a"]}, ArgumentError, "expected a list of numbers; item 1 is 'a'."),
    ({"numbers": [1.0, np.nan]}, NonFiniteError, "item 1 is NaN, which is not finite."),
    ({"texts": torch.ones(2)}, DataError, "list of texts, got a tensor of numbers, shape (2,)."),
    ({"numbers": torch.ones(2) > 0}, ArgumentError, "got a tensor of bools, shape (2,)."),
    ({"pair": (1,)}, ArgumentError, "expected a tuple of 2 numbers, got 1."),
    ({"named": {"a": "b"}}, ArgumentError, "a dict of whole numbers or None; the value of 'a' is"),
    ({"one_or_many": 1}, DataError, "expected a text or a list of texts, got 1."),
    ({"choice": "up"}, ArgumentError, "expected 'left' or 'right', got 'up'."),
    ({"function": 3}, ArgumentError, "given(function=3): expected a function, got 3."),
    ({"function": lambda: 1}, ArgumentError, "got one that cannot be called with 1 argument"),
    ({"bell": Bell}, ArgumentError, "got the class Bell itself, not Bell(…). For example Bell(3)."),
    ({"bell": 3}, ArgumentError, "expected a bell, got 3. For example Bell(3)."),
    ({"path": 3}, ArgumentError, "expected a path, got 3."),
    ({"vector": torch.ones(2) * 1j}, ArgumentError, "complex numbers, of which only the real part"),
    ({"vector": torch.ones(2, 2)}, ArgumentError, "a tensor of numbers, shape (d) or None, got a"),
    ({"vector": torch.ones(2, device="meta")}, ArgumentError, "one without numbers in it"),
    ({"frame": [1]}, ArgumentError, "expected a DataFrame or None, got a list."),
    ({"between": slice("a", "b")}, ArgumentError, "expected a slice, got bounds such as 'a'."),
    ({"n": 0}, ArgumentError, "given(n=0): expected a whole number of at least 1, got 0."),
    ({"seed": -1}, ArgumentError, "expected a whole number from 0 on, got -1."),
    ({"confidence": 1.0}, ArgumentError, "expected a number between 0 and 1, got 1."),
    ({"kind": int}, ArgumentError, "expected the class Bell, got the class int."),
    ({"kind": Bell()}, ArgumentError, "expected the class Bell, got a Bell."),
]


@pytest.mark.parametrize(("came", "error", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(came: dict[str, Any], error: type[SteerError], said: str) -> None:
    with pytest.raises(SteerError) as refused:
        given(**came)
    assert type(refused.value) is error
    assert said in str(refused.value)


def test_what_python_itself_says_of_a_call() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'wohle'"):
        given(wohle=1)  # type: ignore[call-arg]


@checked
@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0

    def __add__(self, other: "Point") -> "Point":
        return Point(self.x + other.x, self.y + other.y)

    def times(self, *factors: float, **more: float) -> list[float]:
        return [*factors, *more.values()]

    @classmethod
    def at(cls, *, x: float) -> "Point":
        return cls(x)

    def _private(self, anything: int) -> int:
        return anything


def test_a_class_is_checked_in_its_constructor_its_methods_and_its_operators() -> None:
    assert Point(np.float32(0.5)) == Point(0.5)
    assert Point(1).times(1, two=np.int64(2)) == [1.0, 2.0]
    assert Point(1)._private("as it is") == "as it is"  # type: ignore[arg-type]
    for refused, said in (
        (lambda: Point("a"), "Point(x='a'): expected a number, got 'a'."),  # type: ignore[arg-type]
        (lambda: Point.at(x=None), "Point.at(x=None): expected a number, got None."),  # type: ignore[arg-type]
        (lambda: Point(1).times(1, "a"), "Point.times('a'): expected a number; factors[1] is 'a'."),  # type: ignore[arg-type]
        (lambda: Point(1) + 3, "Point + 3: expected a Point, got 3."),  # type: ignore[operator]
    ):
        with pytest.raises(ArgumentError) as error:
            refused()  # type: ignore[no-untyped-call]
        assert str(error.value) == said


def test_columns() -> None:
    frame = pd.DataFrame({"a": [1]})
    require_columns(frame, ["a"], by="a table", rows=True)
    with pytest.raises(DataError, match=r"a table: the frame lacks the column 'b'. It has 'a'."):
        require_columns(frame, ["a", "b"], by="a table")
    with pytest.raises(DataError, match="no rows"):
        require_columns(frame[:0], ["a"], by="a table", rows=True)
