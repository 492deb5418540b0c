"""From an annotation to its kind."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from torch import nn

from tl_steer.arguments import numbers, several, tensors
from tl_steer.arguments.kinds import Kind, UnfitError, Words, words_for
from tl_steer.arguments.ranges import Range, Unbounded
from tl_steer.arguments.words import listed
from tl_steer.errors import ArgumentError


@cache
def kind_of(annotation: Any) -> Kind:
    """Read an annotation."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if tensors.is_array(annotation):
        return tensors.array(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin is type:
        return _subclass(arguments)
    if origin is Callable:
        return _function(arguments)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return several.fixed([kind_of(each) for each in arguments])
    if origin in (tuple, list, Sequence, Iterable):
        return several.ordered(kind_of(arguments[0]), tuple if origin is tuple else list)
    if origin is not None and issubclass(origin, Mapping):
        return several.mapping(*map(kind_of, arguments))
    if origin is PathLike:
        return _PATH
    if isinstance(annotation, TypeVar) or annotation is Any or annotation is object:
        return _ANYTHING
    return _instance(origin or annotation)


def _annotated(of: Any, metadata: tuple[Any, ...]) -> Kind:
    for each in metadata:
        if isinstance(each, Range):
            return numbers.ranged(kind_of(of), each)
        if isinstance(each, Unbounded):
            return numbers.UNBOUNDED
        if isinstance(each, Words):
            kind = replace(kind_of(of), one=each.one, many=each.many, instead=each.instead)
            return replace(kind, error=each.error)
    return kind_of(of)


def _union(arguments: tuple[Any, ...]) -> Kind:
    kinds = list(dict.fromkeys(kind_of(each) for each in arguments if each is not NoneType))
    if _PATH in kinds or tensors.DEVICE in kinds:
        # Not any text: one of their own.
        kinds = [kind for kind in kinds if kind is not numbers.TEXT]
    optional = NoneType in arguments
    own = (kind.error for kind in kinds if kind.error is not ArgumentError)
    error = next(own, ArgumentError)
    if len(kinds) == 1 and not optional:
        return kinds[0]

    def take(value: Any) -> Any:
        if value is None and optional:
            return None
        if isinstance(value, Iterator) and any(kind.is_one(value) for kind in kinds):
            value = list(value)  # it can be read once, and several kinds are tried
        on_the_face = [kind for kind in kinds if kind.is_one(value)]
        about = (on_the_face or kinds)[0] if len(on_the_face or kinds) == 1 else None
        said = UnfitError(value)
        for kind in (*on_the_face, *(kind for kind in kinds if kind not in on_the_face)):
            try:
                return kind.take(value)
            except UnfitError as unfit:
                if kind is about:
                    said = unfit
                elif about is None and not (said.instead or unfit.where):
                    said.instead = unfit.instead  # of all of it, and so as good advice here
        raise said

    names = list(dict.fromkeys(kind.one for kind in kinds))
    return Kind(
        one=listed([*names, "None"] if optional else names),
        many=listed([*dict.fromkeys(kind.many for kind in kinds), *["None"] * optional]),
        take=take,
        is_one=lambda value: (value is None and optional) or any(k.is_one(value) for k in kinds),
        instead=next((kind.instead for kind in kinds if kind.instead), ""),
        error=error,
    )


def _literal(values: tuple[Any, ...]) -> Kind:
    def take(value: Any) -> Any:
        if isinstance(value, str) and value in values:
            return str(value)
        raise UnfitError(value, but=f"{value!r}" if isinstance(value, str) else "")

    names = listed([repr(each) for each in values])
    return Kind(names, names, take, lambda value: isinstance(value, str))


def _subclass(arguments: tuple[Any, ...]) -> Kind:
    owners = tuple(each for of in arguments for each in (get_args(of) or (of,)))

    def take(value: Any) -> Any:
        if isinstance(value, type) and issubclass(value, owners):
            return value
        raise UnfitError(value)

    names = listed([each.__name__ for each in owners])
    return Kind(f"the class {names}", f"classes {names}", take, lambda v: isinstance(v, type))


def _function(arguments: tuple[Any, ...]) -> Kind:
    asked = arguments[0] if arguments else ...
    count = None if asked is Ellipsis else len(asked)

    def take(value: Any) -> Any:
        require_callable(value, count)
        return value

    many = "" if count in (None, 1) else "no arguments" if count == 0 else f"{count} arguments"
    of = f" of {many}" if many else ""
    return Kind(f"a function{of}", f"functions{of}", take, callable)


def require_callable(value: Any, count: int | None, named: Sequence[str] = ()) -> None:
    """Refuse what cannot be called with so many arguments, and some by name.

    Raises:
        UnfitError: If it is not a function of that many arguments; and for a class
            whose instances are functions, since one of these was meant.
    """
    if isinstance(value, type) and "__call__" in dir(value):
        raise UnfitError(value, but=f"the class {value.__name__} itself, not {value.__name__}(…)")
    # Other libraries' models can be called, but not for a model.
    if not callable(value) or (count == 0 and isinstance(value, nn.Module)):
        raise UnfitError(value)
    if count is None:
        return
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return  # a builtin does not say
    try:
        signature.bind(*[None] * count, **dict.fromkeys(named))
    except TypeError as error:
        name = getattr(value, "__name__", type(value).__name__)
        asked = "1 argument" if count == 1 else f"{count or 'no'} arguments"
        takes = ", ".join(map(_short, signature.parameters.values()))
        but = f"one that cannot be called with {asked}: {name}({takes})"
        raise UnfitError(value, but=but) from error


def _short(parameter: inspect.Parameter) -> str:
    stars: dict[Any, str] = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    return f"{stars.get(parameter.kind, '')}{parameter.name}"


def _instance(owner: Any) -> Kind:
    called = words_for(owner)
    protocol = getattr(owner, "_is_protocol", False)
    takes = _call_of(owner) if protocol and "__call__" in vars(owner) else None

    def take(value: Any) -> Any:
        if protocol and takes is not None and callable(value):
            require_callable(value, *takes)
        if not (has_all(value, owner) if protocol else isinstance(value, owner)):
            raise UnfitError(value)
        return value

    return Kind(
        called.one,
        called.many,
        take,
        lambda value: not protocol and isinstance(value, owner),
        called.instead,
        called.error,
    )


def has_all(value: Any, protocol: type) -> bool:
    """Whether something has what a protocol asks for; its properties are not evaluated."""
    if isinstance(value, type):
        return False
    missing = object()
    return all(
        inspect.getattr_static(value, name, missing) is not missing or hasattr(value, name)
        for name in _members(protocol)
    )


@cache
def _members(protocol: type) -> tuple[str, ...]:
    own = {**vars(protocol), **getattr(protocol, "__annotations__", {})}
    return tuple(n for n in own if n == "__call__" or not n.startswith("_"))


def _call_of(protocol: type) -> tuple[int, tuple[str, ...]]:
    """How many arguments a protocol's function is called with, and the names of others."""
    parameters = inspect.signature(vars(protocol)["__call__"]).parameters.values()
    named = tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)
    return len(parameters) - len(named) - 1, named


def _path(value: Any) -> Any:
    if isinstance(value, str | PathLike) and not isinstance(value, bytes):
        return value
    raise UnfitError(value)


def _slice(value: Any) -> slice:
    bounds = (value.start, value.stop, value.step) if isinstance(value, slice) else ("",)
    try:
        return slice(*(None if each is None else numbers.WHOLE.take(each) for each in bounds))
    except UnfitError as unfit:
        bad = isinstance(value, slice)
        raise UnfitError(value, but=f"bounds such as {unfit.got}" if bad else "") from None


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        raise UnfitError(value) from None
    return value


_PATH = Kind("a path", "paths", _path, lambda value: isinstance(value, str | PathLike))
_ANYTHING = Kind("anything", "anything", lambda value: value, lambda value: True)
_PLAIN: dict[Any, Kind] = {
    bool: numbers.BOOL,
    int: numbers.WHOLE,
    float: numbers.NUMBER,
    str: numbers.TEXT,
    Path: _PATH,
    slice: Kind("a slice", "slices", _slice, lambda value: isinstance(value, slice)),
    Hashable: Kind("something hashable", "hashable things", _hashable, lambda value: True),
    **tensors.PLAIN,
}
