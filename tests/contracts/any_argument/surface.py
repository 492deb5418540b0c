"""Every public function, constructor and method, with good arguments for each."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from any_argument.good import ALWAYS, BY_NAME, SELF
from any_argument.good_of import OWN
from any_argument.world import World
from fronts import to_call


@dataclass(frozen=True)
class Call:
    """One public callable, and good arguments for it."""

    name: str
    function: Callable[..., Any]
    good: Mapping[str, Any]
    """Without those that have a default and need no other value."""

    parameters: Mapping[str, inspect.Parameter]

    @property
    def annotations(self) -> dict[str, Any]:
        """Of the parameters, with what else is said of their ranges."""
        of = self.function.__init__ if inspect.isclass(self.function) else self.function
        return get_type_hints(of, include_extras=True)

    @property
    def room(self) -> str:
        """Where in the house it is."""
        return str(self.function.__module__).split(".")[1]

    def __call__(self, **changes: Any) -> Any:
        """Call it with some of the good arguments exchanged."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        given = {**self.good, **changes}
        several = any(each.kind is each.VAR_POSITIONAL for each in self.parameters.values())
        for name, parameter in self.parameters.items():
            if name not in given:
                continue
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += given[name]
            elif parameter.kind is parameter.VAR_KEYWORD:
                named |= given[name]
            elif several and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                positional.append(given[name])
            else:
                named[name] = given[name]
        return self.function(*positional, **named)

    def with_hostile(self, name: str, value: Any) -> dict[str, Any]:
        """The change that gives one parameter a value."""
        kind = self.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            return {name: [value]}
        if kind is inspect.Parameter.VAR_KEYWORD:
            return {name: dict.fromkeys(self.good.get(name, {"x": None}), value)}
        return {name: value}


VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD
INTERNAL = {"columns", "edit", "scope", "over", "take"}
"""Methods that the library calls, with what only it has; and fields whose default is a function."""


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def calls(world: World) -> Iterator[Call]:
    """All of the public surface."""
    for name, public in to_call().items():
        if not inspect.isclass(public):
            yield call(world, name, public)
        elif not issubclass(public, BaseException):
            own = call(world, name, public)
            yield own
            methods = dict(public_methods(public))
            if methods:
                made = SELF[name](world) if name in SELF else own()
                for method in methods:
                    yield call(world, f"{name}.{method}", getattr(made, method))
    live = SELF["Steered"](world)
    for method in ("off", "on", "at_strength"):
        yield call(world, f"Steered.{method}", getattr(live, method))


def public_methods(owner: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(owner).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not name.startswith("_") and name not in INTERNAL and inspect.isfunction(function):
            yield name, function


def call(world: World, name: str, function: Callable[..., Any]) -> Call:
    parameters = parameters_of(function)
    made = SELF[name](world) if inspect.isclass(function) and name in SELF else None
    generated = getattr(function, "__dataclass_params__", None)
    fields = vars(made) if made is not None and generated is not None and generated.init else {}
    own, good = OWN.get(name, {}), {}
    for parameter in parameters.values():
        known = parameter.name
        needed = parameter.default is parameter.empty and parameter.kind is not VAR_KEYWORD
        if known in own:
            good[known] = own[known](world)
        elif known in fields and needed:
            good[known] = fields[known]
        elif needed or known in ALWAYS:
            good[known] = BY_NAME[known](world) if known in BY_NAME else getattr(world, known)
    return Call(name, function, good, parameters)
