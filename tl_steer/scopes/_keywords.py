"""Words and regular expressions, found in what the model reads and writes."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any
from unicodedata import normalize

import regex

from tl_steer.arguments import Count, Words, checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._given import one_by_one
from tl_steer.scopes._scripts import as_written, whole_word
from tl_steer.scopes._text import View, own_tokens
from tl_steer.shapes import TokenMask


@stored_as("Matching.all")
@dataclass(frozen=True)
class _All:
    def __call__(self, view: View, found: range) -> range:
        return found


@stored_as("Matching.last")
@dataclass(frozen=True)
class _Last:
    def __call__(self, view: View, found: range) -> range:
        return found[-1:]


@stored_as("Matching.after")
@dataclass(frozen=True)
class _After:
    n: int

    def __call__(self, view: View, found: range) -> range:
        return range(found.stop, min(found.stop + self.n, view.stop))


Take = Annotated[
    Callable[[View, range], range],
    Words("a function of a text and columns", "functions", "Use .last() or .after(n)."),
]
"""From the columns that a match overlaps to those that are marked for it."""


@stored_as("Matching")
@checked
@dataclass(frozen=True)
class Regex:
    """Tokens of all matches of a regular expression.

    It matches characters, across token boundaries, in the prompt and in what the model writes;
    special tokens count as text, and empty matches do not count. In generated text a match is known
    only once it is complete: the first tokens of a longer word cannot be marked as they are
    written, but attention to them can (see :class:`~tl_steer.scopes.AttendsTo`).

    Raises:
        SteerError: If it is not a regular expression on text, and for an empty one.
    """

    pattern: Annotated[
        "str | re.Pattern[str] | regex.Pattern",
        Words("a regular expression on text", "regular expressions", r"Such as r'\b19\d\d\b'."),
    ]
    """A regular expression, as text or compiled with flags, by ``re`` or by ``regex``."""

    take: Take = field(default=_All(), kw_only=True)
    """Which tokens to mark for a match, of those that it overlaps; by default all."""

    def __post_init__(self) -> None:
        """Compile once, so that mistakes show before a model runs."""
        object.__setattr__(self, "pattern", _compiled(self.pattern))

    def last(self) -> "Regex":
        """Only the last token of each match, where the whole word has been read."""
        return replace(self, take=_Last())

    def after(self, n: Count) -> "Regex":
        """The n tokens after each match, instead of its own.

        Raises:
            SteerError: For n below 1.
        """
        return replace(self, take=_After(n))

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return own_tokens(context, self.columns)

    def columns(self, view: View) -> Iterator[int]:
        """Find the columns to mark in what is known of a text."""
        return _columns(self.pattern, self.take, view)


@stored_as("Keywords")
@checked
@dataclass(frozen=True)
class Keywords:
    """Tokens of some words, wherever they occur: ``Keywords("film", "movie")``.

    All tokens that overlap a word are marked; :meth:`last` and :meth:`after` choose others. White
    space around a word does not belong to it, and any white space within one matches any other. In
    scripts without spaces (Chinese, Japanese, Thai) a word is found wherever its letters occur,
    also within longer words. In languages that join endings to words, such as Korean, use
    ``whole_words=False``. :class:`Regex` says how the text is searched.

    Raises:
        SteerError: For no word, an empty one, or anything but a text.
    """

    words: tuple[str, ...]

    whole_words: bool = True
    """Whether to skip ``film`` in ``films``. If ``False``, white space around a word counts."""

    ignore_case: bool = True

    take: Take = field(default=_All(), kw_only=True)
    """Which tokens to mark for a word, of those that it overlaps; by default all."""

    def __init__(
        self,
        *words: str | Iterable[str],
        whole_words: bool = True,
        ignore_case: bool = True,
        take: Take = _All(),
    ) -> None:
        """Take words or phrases, or one list of them."""
        several = one_by_one(words)
        if not several or not all(word.strip() for word in several):
            raise SteerError(f"Keywords{several!r}: expected at least one word, and no empty one.")
        object.__setattr__(self, "words", several)
        object.__setattr__(self, "whole_words", whole_words)
        object.__setattr__(self, "ignore_case", ignore_case)
        object.__setattr__(self, "take", take)

    def last(self) -> "Keywords":
        """Only the last token of each word."""
        return self._taking(_Last())

    def after(self, n: Count) -> "Keywords":
        """The n tokens after each word, instead of its own.

        Raises:
            SteerError: For n below 1.
        """
        return self._taking(_After(n))

    def _taking(self, take: Take) -> "Keywords":
        return Keywords(
            *self.words, whole_words=self.whole_words, ignore_case=self.ignore_case, take=take
        )

    @cached_property
    def pattern(self) -> "regex.Pattern":
        """The same as a regular expression, of the library ``regex``."""
        found = [word.strip() if self.whole_words else word for word in self.words]
        # An accent may be a sign of its own.
        forms = {normalize(form, word) for word in found for form in ("NFC", "NFD")} | {*found}
        # Longer ones first: of "film" and "film star", the longer is wanted where both begin.
        spelled = sorted(forms, key=lambda word: (-len(word), word))
        several = "|".join(map(whole_word if self.whole_words else as_written, spelled))
        return regex.compile(several, regex.V1 | (regex.IGNORECASE if self.ignore_case else 0))

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return own_tokens(context, self.columns)

    def columns(self, view: View) -> Iterator[int]:
        """Find the columns to mark in what is known of a text."""
        return _columns(self.pattern, self.take, view)


def _columns(pattern: "re.Pattern[str] | regex.Pattern", take: Take, view: View) -> Iterator[int]:
    for match in pattern.finditer(view.text):
        if match.end() > match.start():
            yield from take(view, view.overlapping(match.span()))


def _compiled(pattern: Any) -> "re.Pattern[str] | regex.Pattern":
    is_compiled = isinstance(pattern, re.Pattern | regex.Pattern)
    text = pattern.pattern if is_compiled else pattern
    if not isinstance(text, str) or not text:
        raise SteerError(
            f"Regex({pattern!r}): expected a regular expression on text, such as "
            r"r'\b19\d\d\b'."
        )
    if is_compiled:
        return pattern
    try:
        return re.compile(text)
    except re.error as error:
        raise SteerError(
            f"{pattern!r} is not a regular expression ({error}). For plain words, use Keywords(…)."
        ) from error
