"""What a person would expect to be accepted, by annotation: said without tl_steer's own checks."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from any_argument.hostile import HOSTILE
from any_argument.world import World
from jaxtyping import AbstractArray
from torch import Tensor

WHOLE = {
    "an int", "zero", "a negative int", "a numpy int", "a numpy array of no dimension",
    "a torch int",
}  # fmt: skip
FLOATS = {"a float", "a negative float", "a numpy float", "a torch float"}
NOT_FINITE = {"NaN", "inf", "a numpy NaN", "a torch NaN"}
NOT_POSITIVE = {"zero", "a negative int", "a negative float"}
TEXTS = {"a text", "an empty text", "a text that is no expression", "a numpy text"}
EMPTY = {"an empty list", "an empty tuple", "an empty numpy array", "an empty tensor"}
TEXT_LISTS = EMPTY | {
    "a list of texts", "a list of one text", "a list of empty texts", "dict values",
    "a deque of texts", "a generator of texts", "a numpy array of texts", "a series of texts",
    "a series of categories", "a pandas index",
}  # fmt: skip
WHOLE_LISTS = EMPTY | {
    "a list of ints", "a generator of ints", "a range", "a numpy array of ints",
    "a tensor of ints", "a vector of ints", "a series of ints",
}  # fmt: skip
VECTORS = {
    "a numpy vector", "a vector", "a vector that needs gradients", "a vector in float16",
    "a vector of another width",
}  # fmt: skip
FLOAT_LISTS = VECTORS | {
    "a list of floats", "a numpy array of floats", "a tensor of floats", "a series of floats",
}  # fmt: skip
FUNCTIONS = {
    "a function", "a function of nothing", "a class", "a judge", "a scope", "a strength",
    "a metric", "a model", "a plain model",
}  # fmt: skip
BOOLS = {"True", "a numpy bool", "a torch bool"}
BOOL_LISTS = {"a list of bools", "a vector of bools"}
FLAT = WHOLE_LISTS | FLOAT_LISTS | EMPTY
NAN_LISTS = {"a list with NaN", "a vector with NaN", "a series with NaN"}
MATRICES = {"a matrix", "a tensor of token ids", "a list of lists of ints"}
DICTS = {"a dict", "an empty dict", "a dict of texts"}

PROTOCOLS = {
    "SteerableModel": {"a model"},
    "Judge": {"a judge"},
    "Intervention": {"an Add", "an Add with two rows"},
    "Metric": {"a metric"},
    "Read": FUNCTIONS,
    "LogitMetric": FUNCTIONS,
    "PositionChoice": FUNCTIONS,
    "Method": FUNCTIONS,
}


def fits(annotation: Any, world: World) -> set[str]:
    """Names of what may be accepted where something is annotated so."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_range(fits(arguments[0], world), arguments[1:])
    if origin in (Union, UnionType):
        return set().union(*(fits(each, world) for each in arguments))
    if origin is Literal:
        return set()
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return array(annotation)
    if origin is Callable:
        return FUNCTIONS
    if origin in (Sequence, Iterable, tuple, list):
        return several(arguments[0], world)
    if origin is not None and issubclass(origin, Mapping):
        return DICTS | of_class(Mapping, world)
    return PROTOCOLS.get(getattr(annotation, "__name__", ""), set()) | of_class(
        origin or annotation, world
    )


def in_range(names: set[str], metadata: tuple[Any, ...]) -> set[str]:
    for each in metadata:
        if type(each).__name__ == "Unbounded":
            return names | NOT_FINITE
        if type(each).__name__ == "Range":
            wrong = {name for name in names & NOT_POSITIVE if not each.holds(NUMBERS[name])}
            return names - wrong
    return names


NUMBERS = {"zero": 0, "a negative int": -1, "a negative float": -0.5}


def several(of: Any, world: World) -> set[str]:
    if of is str:
        return TEXT_LISTS
    if get_origin(of) is Annotated:
        return several(get_args(of)[0], world)
    if of is int:
        return WHOLE_LISTS
    if of is float:
        return WHOLE_LISTS | FLOAT_LISTS
    if of is Any:
        return TEXT_LISTS | WHOLE_LISTS | FLOAT_LISTS | BOOL_LISTS | {"a list of an int and a text"}
    lists = {"Direction": {"a list of Directions"}, "Intervention": {"a list of Adds"}}
    if get_origin(of) in (Union, UnionType):
        return set().union(*(several(each, world) for each in get_args(of)))
    return EMPTY | lists.get(getattr(of, "__name__", ""), set()) | nested(of)


def nested(of: Any) -> set[str]:
    """Lists of what is a list or anything else itself."""
    text = str(of)
    found = TEXT_LISTS if "str" in text or "Any" in text else set()
    return found | (MATRICES if "int" in text or "Hashable" in text else set())


def array(annotation: Any) -> set[str]:
    axes, kind = annotation.dim_str.split(), annotation.__name__
    any_number = any(axis.startswith("*") for axis in axes)
    if kind.startswith("Bool"):
        return BOOL_LISTS
    if kind.startswith("Int"):
        return WHOLE_LISTS
    found = FLAT | NAN_LISTS if len(axes) == 1 or any_number else set()
    return found | (MATRICES if len(axes) == 2 or any_number else set())


@cache
def of_class(owner: Any, world: World) -> set[str]:
    if not isinstance(owner, type) or owner is object:
        return set(HOSTILE)
    return {name for name, make in HOSTILE.items() if isinstance(make(world), owner)}


PLAIN: dict[Any, set[str]] = {
    int: WHOLE,
    float: WHOLE | FLOATS,
    bool: BOOLS,
    str: TEXTS,
    NoneType: {"None"},
    Path: TEXTS | {"a path"},
    PathLike: TEXTS | {"a path"},
    slice: {"a slice"},
    Tensor: FLAT | MATRICES | NAN_LISTS | {"a torch int", "a torch float"},
    Hashable: set(HOSTILE),
    Any: set(HOSTILE),
    object: set(HOSTILE),
}
