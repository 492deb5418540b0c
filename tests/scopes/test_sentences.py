"""Sentences of the text, and of what is generated."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from making import as_users_run_it
from text_passes import Bytes, Merged, assert_batch_is_alone, marked, marked_text

from tl_steer.errors import SteerError
from tl_steer.scopes._sentences import Sentences, sentences

TEXT = 'It was 3.5 hours. "Was it?" It was! New line\nand more… 好。看'


def test_where_sentences_end() -> None:
    assert [TEXT[start:end] for start, end in sentences(TEXT)] == [
        "It was 3.5 hours.",
        '"Was it?"',
        "It was!",
        "New line",
        "and more…",
        "好。",
        "看",
    ]
    assert sentences("") == sentences(" \n ") == []


@given(st.text("ab.!? \n\"'", max_size=30))
@settings(deadline=None, derandomize=True)
def test_nothing_but_white_space_is_lost(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(text[a:b] for a, b in found).split()) == "".join(text.split())
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in found)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Sentences(0), "One two."),
        # White space at the end of what is known belongs to no sentence, as yet.
        (Sentences(1), "Threefour."),
        (Sentences(0, 2), "One two.Five."),
        (Sentences(9), ""),
        (Sentences(0, of_generated=True), "four."),
        (Sentences(1, of_generated=True), "Five."),
    ],
)
def test_the_nth(scope: Sentences, expected: str) -> None:
    found = marked_text(
        scope, Merged(merges=0), "One two. Three four. Five.", prompt="One two. Three "
    )
    assert "".join(found) == expected


def test_counted_from_the_end_of_what_is_known() -> None:
    words = Merged(merges=0)
    assert "".join(marked_text(Sentences(-1), words, "One. Two. Three.")) == "Three."
    found = marked_text(Sentences(-1), words, "One. Two. Three.", prompt="One. Two.")
    assert "".join(found) == "Two.Three."


@pytest.mark.parametrize("scope", [Sentences(0), Sentences(1, -1), Sentences(0, of_generated=True)])
@pytest.mark.parametrize("cached", [True, False])
def test_neither_cache_nor_batch_matter(scope: Any, cached: bool) -> None:
    words = Merged()
    pairs = [("The film. It", " was naïve. The end."), ("A", " café! The actor acted in it. So")]
    prompts, more = ([words.ids(pair[side]) for pair in pairs] for side in (0, 1))
    shortest = min(map(len, more))
    rows = [first + rest[:shortest] for first, rest in zip(prompts, more, strict=True)]
    assert_batch_is_alone(scope, words, rows, [len(each) for each in prompts], cached=cached)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("这部电影很好！你看了吗？看了。", ["这部电影很好！", "你看了吗？", "看了。"]),  # noqa: RUF001
        ("他说：「好。」然后走了。", ["他说：「好。」", "然后走了。"]),  # noqa: RUF001
        ("すごい!?本当ですか?はい。", ["すごい!?", "本当ですか?", "はい。"]),
        ("ﾊﾝｶｸ｡次", ["ﾊﾝｶｸ｡", "次"]),
        ("圆周率是３．１４．好", ["圆周率是３．１４．", "好"]),  # noqa: RUF001
        ("我……不知道。", ["我……不知道。"]),
        ("है। और क्या", ["है।", "और क्या"]),
        ("هل؟ نعم۔ لا", ["هل؟", "نعم۔", "لا"]),  # noqa: RUF001
        ("good?yes! no", ["good?yes!", "no"]),
    ],
)
def test_sentences_of_every_script(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


@pytest.mark.parametrize("cached", [True, False])
def test_half_a_character_belongs_to_the_sentence_that_goes_on(cached: bool) -> None:
    row, prompt = Bytes().ids("好。看电"), len("好。".encode())
    found = marked(Sentences(0, of_generated=True), Bytes(), row, prompt, cached=cached)
    # The first bytes of the first character are not known to begin a sentence.
    assert found == [False] * (prompt + 2) + [True] * 4


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Sentences(), "marks nothing"),
        (lambda: Sentences([]), "marks nothing"),
        (lambda: Sentences(0.5), "a list of whole numbers, got 0.5"),
        (lambda: Sentences("first"), "a list of whole numbers, got 'first'"),
        (lambda: Sentences(True), "a list of whole numbers, got True"),
        (lambda: Sentences(0, of_generated=3), "expected True or False, got 3"),
    ],
)
def test_what_is_no_number_is_refused(make: Any, says: str) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match=says):
        make()


def test_numbers_as_they_come() -> None:
    with as_users_run_it():
        for which in (range(2), [0, 1], np.arange(2), torch.tensor([0, 1]), (np.int64(0), 1)):
            assert Sentences(which) == Sentences(0, 1)
