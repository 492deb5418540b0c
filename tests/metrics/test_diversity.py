"""distinct-n and repetition, against counting by hand and by the plainest code there is."""

import math
import re

import pytest
from hypothesis import given, strategies as st

from tl_steer.errors import ArgumentError, DataError
from tl_steer.metrics._diversity import distinct_n, repetition

TOKENS = st.lists(st.lists(st.integers(0, 4), max_size=12), max_size=6)
N = st.integers(1, 5)


def windows(tokens: list[int], n: int) -> list[list[int]]:
    found = []
    for start in range(len(tokens)):
        window = [token for offset, token in enumerate(tokens[start:]) if offset < n]
        if len(window) == n:
            found.append(window)
    return found


def different(found: list[list[int]]) -> int:
    """How many are not equal to an earlier one: by comparing each pair, without hashing."""
    return sum(not any(one == other for other in found[:i]) for i, one in enumerate(found))


@given(TOKENS, N)
def test_distinct_n_is_what_comparing_all_pairs_counts(texts: list[list[int]], n: int) -> None:
    found = [window for tokens in texts for window in windows(tokens, n)]
    if not found:
        assert math.isnan(distinct_n(texts, n))
    else:
        assert distinct_n(texts, n) == pytest.approx(different(found) / len(found))


@given(TOKENS, N)
def test_repetition_is_what_comparing_all_pairs_counts(texts: list[list[int]], n: int) -> None:
    each = [windows(tokens, n) for tokens in texts]
    shares = [(len(found) - different(found)) / len(found) for found in each if found]
    if not shares:
        assert math.isnan(repetition(texts, n=n))
    else:
        assert repetition(texts, n=n) == pytest.approx(sum(shares) / len(shares))


@given(TOKENS, N, st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(texts, n, random) -> None:
    shuffled = random.sample(texts, len(texts))
    assert distinct_n(texts, n) == pytest.approx(distinct_n(shuffled, n), nan_ok=True)
    assert repetition(texts, n=n) == pytest.approx(repetition(shuffled, n=n), nan_ok=True)


def test_by_hand() -> None:
    # the cat / cat sat and the cat / cat ran: three of four pairs of words are different ones.
    assert distinct_n(["the cat sat", "The cat ran"], 2) == 0.75
    assert distinct_n(["the cat sat", "The cat ran"], 1) == 4 / 6
    # a b a b a b: five pairs of which two differ; the other text repeats nothing.
    assert repetition(["a b a b a b", "c d e"], n=2) == pytest.approx((3 / 5 + 0) / 2)


def test_a_phrase_in_two_texts_is_no_repetition_within_one_and_no_pair_spans_two() -> None:
    assert repetition(["one two three four", "one two three four"]) == 0
    assert distinct_n(["one two three four", "one two three four"], 4) == 0.5
    assert math.isnan(distinct_n(["one", "two"], 2))


def test_text_that_runs_in_circles() -> None:
    assert repetition(["good " * 200]) > 0.99


@given(st.text(max_size=60))
def test_words_and_marks_are_all_that_is_not_space(text: str) -> None:
    """A string counts like the tokens that a reader would cut it into."""
    tokens = re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text.lower())
    assert "".join(tokens) == re.sub(r"\s", "", text.lower())
    assert distinct_n([text], 1) == pytest.approx(distinct_n([tokens], 1), nan_ok=True)


def test_words_keep_their_apostrophes() -> None:
    assert distinct_n(["It's good. It's."], 1) == 3 / 5


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["   "], [[]]])
def test_nothing_written_is_neither_diverse_nor_dull(texts: list) -> None:
    assert math.isnan(distinct_n(texts, 1))
    assert math.isnan(repetition(texts))


def test_empty_texts_change_nothing() -> None:
    assert distinct_n(["a b a b", ""], 2) == distinct_n(["a b a b"], 2)
    assert repetition(["a b a b", ""], n=2) == repetition(["a b a b"], n=2)


def test_bad_input() -> None:
    with pytest.raises(ArgumentError, match=r"distinct_n\(n=0\): expected .* of at least 1"):
        distinct_n(["a"], 0)
    with pytest.raises(DataError, match=r"expected a list of texts or .* write \[text\]"):
        repetition("one text")
