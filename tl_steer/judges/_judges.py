"""What a judge is: a function from texts to scores."""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from tl_steer.arguments import means
from tl_steer.errors import DataError


@means("a judge", instead='Any function makes one: function_judge("name", function).')
@runtime_checkable
class Judge(Protocol):
    """Scores each text by itself: 0 lacks the property, 1 has it, 0.5 is undecided.

    Any object with a `name` that can be called like this is a judge; nothing is inherited or
    registered. A text's score must not depend on the other texts of the call.
    """

    @property
    def name(self) -> str:
        """The name of its column or bar."""
        ...

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """The scores, in the order of the texts; an empty list for no texts."""
        ...


def scores_of(judge: Judge, texts: Sequence[str]) -> list[float]:
    """Call a judge, and check that it gives one number for each text.

    Raises:
        DataError: When there are more or fewer.
    """
    scores = list(judge(texts))
    if len(scores) != len(texts):
        raise DataError(
            f"{judge.name} gave {len(scores)} scores for {len(texts)} texts. Return one for each."
        )
    return scores


def checked_texts(texts: Iterable[object]) -> list[str]:
    """The texts as a list, for a judge to begin with.

    Raises:
        DataError: For a single string, which would be judged letter by letter, or an item that is
            not a string.
    """
    if isinstance(texts, str):
        raise DataError(f"Expected a list of texts, got one string ({texts[:40]!r}). Write [text].")
    checked: list[str] = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"Expected strings, but text {index} is {text!r} ({type(text).__name__}). Leave "
                "missing texts out, or judge them as ''."
            )
        checked.append(text)
    return checked
