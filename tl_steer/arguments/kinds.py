"""From an annotation to what fits it: how that is called, and how what came becomes one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from tl_steer.arguments.words import came, with_article
from tl_steer.errors import ArgumentError, SteerError

_Class = TypeVar("_Class", bound=type)


class UnfitError(Exception):
    """What came does not fit; never leaves this room."""

    def __init__(
        self,
        value: Any,
        where: str = "",
        *,
        but: str = "",
        instead: "Instead" = "",
        error: type[SteerError] | None = None,
    ) -> None:
        super().__init__()
        self.value = value
        self.where = where
        """Which part of what came it is: ``item 2``; empty for all of it."""
        self.but = but
        """What is wrong with it, where that is not what kind of thing it is."""
        self.instead = instead
        """What to write instead, where that is not what its kind says."""
        self.error = error
        """What is raised, where that is not what its kind says."""

    def of_part(
        self, where: str, *, instead: "Instead" = "", error: type[SteerError] | None = None
    ) -> "UnfitError":
        """The same, seen from what it is a part of.

        Args:
            where: Which part.
            instead: What to write instead, where that is not known yet.
            error: What is raised, the same.
        """
        return UnfitError(
            self.value,
            f"{self.where} of {where}" if self.where else where,
            but=self.but,
            instead=self.instead or instead,
            error=self.error or error,
        )

    @property
    def got(self) -> str:
        """What came, in words."""
        return self.but or came(self.value)


@dataclass(frozen=True, eq=False)
class Kind:
    """What fits an annotation."""

    one: str
    """With its article: ``a number``."""

    many: str
    """Several of them: ``numbers``."""

    take: Callable[[Any], Any]
    """Returns what came as it is wanted; raises :class:`UnfitError`."""

    is_one: Callable[[Any], bool]
    """Whether what came is of this kind on the face of it, so that what is wrong with it is said of
    this kind where there are several; costs nothing."""

    instead: "Instead" = ""

    error: type[SteerError] = field(default=ArgumentError)
    """What is raised where something else came."""


@dataclass(frozen=True)
class Words:
    """What something is called, also in an annotation: ``Annotated[Callable[…], Words(…)]``."""

    one: str
    many: str
    instead: "Instead" = ""
    error: type[SteerError] = ArgumentError


Instead = str | Callable[[Any], str]
"""What to write instead, a sentence; or a function from what came to one."""

_WORDS: WeakKeyDictionary[type, Words] = WeakKeyDictionary()


def means(
    one: str,
    many: str = "",
    *,
    instead: "Instead" = "",
    error: type[SteerError] = ArgumentError,
) -> Callable[[_Class], _Class]:
    """Say what a class is called where something else came, and what to write instead.

    Args:
        one: With its article: ``a TransformerLens model``.
        many: Several of them; by default with an s.
        instead: A sentence, or a function from what came to one.
        error: What is raised.
    """

    def remember(owner: _Class) -> _Class:
        _WORDS[owner] = Words(one, many or f"{one.partition(' ')[2]}s", instead, error)
        return owner

    return remember


def words_for(owner: type) -> Words:
    """What a class is called."""
    name = owner.__name__
    plural = name if name.endswith("s") else f"{name}s"
    return _WORDS.get(owner) or Words(with_article(name), plural)
