"""The decorator over everything public: arguments are checked, and made what is wanted."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn, TypeVar, get_type_hints

from tl_steer.arguments.kinds import Kind, UnfitError
from tl_steer.arguments.reading import kind_of
from tl_steer.arguments.words import shown

_Target = TypeVar("_Target")

_OPERATORS = {
    "__add__": "+",
    "__sub__": "-",
    "__mul__": "*",
    "__rmul__": "*",
    "__truediv__": "/",
    "__and__": "&",
    "__or__": "|",
}


def checked(target: _Target) -> _Target:
    """Check what a function, or a class's constructor and public methods, are given.

    Annotations say what fits. What fits after a change that loses nothing is changed: numpy's and
    torch's numbers to Python's, series, arrays and generators to lists, lists of numbers to
    tensors. Anything else is refused before the function begins.

    Methods whose names begin with an underscore are left alone, but for operators.
    """
    if not isinstance(target, type):
        return _checking(target)  # type: ignore[arg-type, return-value]
    for name, value in list(vars(target).items()):
        if name == "__init__":
            target.__init__ = _checking(value, target.__name__)  # type: ignore[misc]
        elif name in _OPERATORS or not name.startswith("_"):
            _wrap_method(target, name, value)
    return target


def _wrap_method(owner: type, name: str, value: Any) -> None:
    if isinstance(value, classmethod | staticmethod):
        wrapped: Any = type(value)(_checking(value.__func__))
    elif inspect.isfunction(value) and not _is_field(owner, name):
        wrapped = _checking(value)
    else:
        return
    setattr(owner, name, wrapped)


def _is_field(owner: type, name: str) -> bool:
    """Whether a function is the default of a dataclass's field, and no method."""
    return name in getattr(owner, "__dataclass_fields__", {})


@dataclass(frozen=True)
class _Plan:
    """What is checked of the arguments of one function."""

    positional: tuple[str, ...]
    kinds: Mapping[str, Kind]
    rest: Kind | None
    """Of each of ``*args``."""
    others: Kind | None
    """Of each of ``**kwargs``."""
    rest_name: str
    """What ``args`` of ``*args`` is called."""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "_Plan":
        hints = get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters
        kinds = {name: kind_of(hints[name]) for name in parameters if name in hints}
        several: dict[Any, Kind | None] = {
            each.kind: kinds.pop(name, None)
            for name, each in parameters.items()
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        }
        by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return cls(
            tuple(name for name, each in parameters.items() if each.kind in by_place),
            kinds,
            several.get(inspect.Parameter.VAR_POSITIONAL),
            several.get(inspect.Parameter.VAR_KEYWORD),
            next((n for n, each in parameters.items() if each.kind is each.VAR_POSITIONAL), ""),
        )

    def which(self, place: int, count: int) -> str:
        """Which of ``*args`` stands at a place, where there are several: ``args[1]``."""
        number = place - len(self.positional)
        return f"{self.rest_name}[{number}]" if count - len(self.positional) > 1 else ""


def _checking(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    called = name or function.__qualname__
    plans: list[_Plan] = []

    @wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        if not plans:  # not before, since annotations may name what is not there yet
            plans.append(_Plan.of(function))
        (plan,) = plans
        given = list(args)
        for place, value in enumerate(args):
            known = place < len(plan.positional)
            parameter = plan.positional[place] if known else ""
            kind = plan.kinds.get(parameter) if known else plan.rest
            if kind is not None:
                where = "" if known else plan.which(place, len(args))
                given[place] = _taken(kind, value, parameter, called, where)
        for parameter, value in kwargs.items():
            kind = plan.kinds.get(parameter, plan.others)
            if kind is not None:
                kwargs[parameter] = _taken(kind, value, parameter, called)
        # What is missing or too much, Python says itself.
        return function(*given, **kwargs)

    return check


def _taken(kind: Kind, value: Any, parameter: str, called: str, where: str = "") -> Any:
    try:
        return kind.take(value)
    except UnfitError as unfit:
        said = unfit.of_part(where) if where else unfit
        _refuse(kind, said, value, parameter, called)


def _refuse(kind: Kind, unfit: UnfitError, value: Any, parameter: str, called: str) -> NoReturn:
    owner, _, method = called.rpartition(".")
    if method in _OPERATORS:
        call = f"{owner} {_OPERATORS[method]} {shown(value)}"
    else:
        call = f"{called}({f'{parameter}=' if parameter else ''}{shown(value)})"
    got = f"; {unfit.where} is {unfit.got}" if unfit.where else f", got {unfit.got}"
    instead = unfit.instead or kind.instead
    if callable(instead):
        instead = instead(unfit.value)
    error = unfit.error or kind.error
    raise error(f"{call}: expected {kind.one}{got}.{' ' * bool(instead)}{instead}") from None
