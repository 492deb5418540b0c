"""Preferences: prompts with two answers each."""

from collections.abc import Callable

import pytest

import tl_steer as ts
from tl_steer.data._preferences import Preferences
from tl_steer.errors import DataError


def test_the_parts_are_kept_in_order() -> None:
    made = Preferences(iter(["p", "q"]), ["a", "b"], ("c", "d"), name="n", source="s")
    assert (made.prompts, made.chosen, made.rejected) == (("p", "q"), ("a", "b"), ("c", "d"))
    assert (made.name, made.source, len(made)) == ("n", "s", 2)
    assert made == Preferences(["p", "q"], ["a", "b"], ["c", "d"], name="n", source="s")
    assert "2 pairs: 'p' → 'a' rather than 'c'" in repr(made)
    with pytest.raises(AttributeError):
        made.name = "other"  # type: ignore[misc]


def test_pairs_of_a_contrast_set_become_answers() -> None:
    contrast = ts.ContrastSet.pairs([("good", "bad"), ("great", "awful")], name="n", source="s")
    one = Preferences.from_pairs(contrast, "it was")
    assert one == Preferences(
        ["it was"] * 2, ["good", "great"], ["bad", "awful"], name="n", source="s"
    )
    each = Preferences.from_pairs(contrast, ["it was", "this is"])
    assert each.prompts == ("it was", "this is")
    with pytest.raises(DataError, match="1 prompts, 2 chosen"):
        Preferences.from_pairs(contrast, ["it was"])
    with pytest.raises(DataError, match="no pairs"):
        Preferences.from_pairs(ts.ContrastSet(["good"], ["bad"]), "it was")


def test_one_prompt_may_come_with_several_answers() -> None:
    assert len(Preferences(["p", "p"], ["a", "b"], ["c", "c"])) == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Preferences([], [], []), "at least one prompt with two answers"),
        (lambda: Preferences(["p"], ["a", "b"], ["c"]), "1 prompts, 2 chosen, 1 rejected"),
        (lambda: Preferences(["p", ""], ["a", "b"], ["c", "d"]), "prompts: 1 of 2 texts are empty"),
        (
            lambda: Preferences(["p"], iter([3]), ["c"]),
            "list of texts; item 0 is 3",
        ),
        (lambda: Preferences("p", ["a"], ["c"]), "prompts='p'.: expected a list of texts, got 'p'"),
        (lambda: Preferences(["p"], ["a"], ["a"]), r"chosen\[0\] and rejected\[0\] are both 'a'"),
        (
            lambda: Preferences(["p", "q", "p"], ["a", "b", "a"], ["c", "d", "c"]),
            "Preferences 0 and 2 are the same",
        ),
    ],
)
def test_what_is_no_preference_is_refused(make: Callable[[], Preferences], says: str) -> None:
    with pytest.raises(DataError, match=says):
        make()
