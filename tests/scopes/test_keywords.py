"""Words and expressions, from characters to tokens."""

import pickle
import re
from functools import cache
from typing import Any

import pytest
import regex
from hypothesis import given, settings, strategies as st
from making import as_users_run_it
from text_passes import Bytes, Merged, assert_batch_is_alone, marked, marked_text

from tl_steer.errors import SteerError
from tl_steer.scopes._keywords import Keywords, Regex

SCOPES = {
    "words": Keywords("film", "actor"),
    "phrase": Keywords("the film"),
    "parts": Keywords("film", whole_words=False),
    "cased": Keywords("Film", ignore_case=False),
    "last": Keywords("film", "naïve").last(),
    "after": Keywords("film", "café").after(3),
    "expression": Regex(r"f\w+m"),
    "last of expression": Regex(r"[aeiou]+").last(),
}
texts = st.lists(
    st.sampled_from(["film", "Film", "films", " ", ". ", "naïve", "café", "actor", "the ", "o"]),
    max_size=8,
).map("".join)


@cache
def tokenizer(kind: str) -> Any:
    return Bytes() if kind == "bytes" else Merged()


def by_hand(word: str, row: list[int], prompt: int) -> list[bool]:
    """Of one word and tokens of one byte: every byte asked alone, with plain string methods."""
    found = []
    for index in range(len(row)):
        known = bytes(row[: max(index + 1, prompt)])
        text = known.decode("utf-8", errors="ignore")
        inside = set()
        for start in range(len(text)):
            end = start + len(word)
            around = text[max(start - 1, 0) : start] + text[end : end + 1]
            if text[start:end].lower() == word and not any(c.isalnum() for c in around):
                first = len(text[:start].encode())
                inside |= {*range(first, first + len(text[start:end].encode()))}
        found.append(index in inside)
    return found


@given(texts, texts.filter(bool), st.sampled_from(["film", "naïve", "café", "the film"]))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_every_byte_asked_alone(prompt: str, more: str, word: str) -> None:
    first = list(prompt.encode())
    row = first + list(more.encode())
    expected = by_hand(word, row, len(first))
    for cached in (True, False):
        found = marked(Keywords(word), Bytes(), row, len(first), cached=cached)
        assert found == expected


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("kind", ["bytes", "merged"])
def test_neither_cache_nor_batch_matter(name: str, kind: str) -> None:
    words = tokenizer(kind)
    pairs = [
        ("The film and", " the filmmaker's Film of a naïve actor."),
        ("Naï", "ve: a café film"),
    ]
    prompts = [words.ids(prompt) for prompt, _ in pairs]
    more = [words.ids(text) for _, text in pairs]
    shortest = min(map(len, more))
    rows = [first + rest[:shortest] for first, rest in zip(prompts, more, strict=True)]
    lengths = [len(first) for first in prompts]
    for cached in (True, False):
        assert_batch_is_alone(SCOPES[name], words, rows, lengths, cached=cached)


def test_a_word_of_several_tokens_is_marked_whole_where_it_is_known_whole() -> None:
    words = Merged(merges=0)
    assert marked_text(Keywords("film"), words, "a Film!") == ["F", "i", "l", "m"]
    # While it is written, it is no word before its last token.
    assert marked_text(Keywords("film"), words, "a film!", prompt="a ") == ["m"]
    assert marked_text(Keywords("film"), words, "a film films", prompt="a film ") == [
        *"film",
        "m",
    ]


def test_tokens_that_hold_more_than_the_word() -> None:
    words = Merged(merges=300)
    found = marked_text(Keywords("film"), words, "The film was filmed")
    assert found == [" film"]
    assert marked_text(Keywords("film", whole_words=False), words, "The film")[-1] == " film"


def test_which_tokens_of_a_match() -> None:
    words = Merged(merges=0)
    assert marked_text(Keywords("actor").last(), words, "an actor acts") == ["r"]
    assert marked_text(Keywords("actor").after(4), words, "an actor acts") == [*" act"]
    assert marked_text(Keywords("acts").after(4), words, "an actor acts") == []
    text = "an actor acts"
    assert marked_text(Keywords("actor").after(7), words, text, prompt="an actor") == [*" acts"]
    assert marked_text(Regex(r"a\w").last().after(1), words, text) == [" ", "t", "t"]


def test_longer_words_come_first_and_no_pattern_is_meant() -> None:
    words = Merged(merges=0)
    assert marked_text(Keywords("film", "film star"), words, "film star") == [*"film star"]
    assert marked_text(Keywords("c++", "a.b"), words, "c++ a.b axb C++11") == [*"c++a.b"]
    assert Keywords("film") == Keywords("film")
    assert hash(Keywords("film")) == hash(Keywords("film"))


def test_expressions_have_their_flags() -> None:
    words = Merged(merges=0)
    assert marked_text(Regex(re.compile("FILM", re.IGNORECASE)), words, "film") == [*"film"]
    assert marked_text(Regex("FILM"), words, "film") == []
    assert marked_text(Regex("x*"), words, "film") == []


FOUND = {
    "spaces around": (Keywords(" film "), "a film, films", ["film"]),
    "a line's end around": (Keywords("\tfilm\n"), "a film", ["film"]),
    "a phrase over two lines": (Keywords("the film"), "the\n  film", ["the\n  film"]),
    "a phrase with more spaces": (Keywords("the   film"), "the film", ["the film"]),
    "at the beginning of words": (Keywords(" film", whole_words=False), "a films", [" film"]),
    "Chinese": (Keywords("电影"), "这部电影很好", ["电影"]),
    "Chinese beside signs": (Keywords("电影"), "《电影》!", ["电影"]),
    "Japanese": (Keywords("映画"), "この映画は良い", ["映画"]),
    "Katakana": (Keywords("スター"), "映画スターだ", ["スター"]),
    "Thai": (Keywords("หนัง"), "ดูหนังดี", ["หนัง"]),
    "Thai, not a part of a letter": (Keywords("ก"), "กิ กา", ["ก"]),
    "Latin between Chinese": (Keywords("film"), "看film吧 films", ["film"]),
    "a mark is a part of the word": (Keywords("फिल्म"), "फिल्मी फिल्म", ["फिल्म"]),
    "an accent of its own in the text": (Keywords("café"), "cafe\u0301 cafe", ["cafe\u0301"]),
    "an accent of its own in the word": (Keywords("cafe\u0301"), "café cafe", ["café"]),
    "no accent": (Keywords("cafe"), "cafe\u0301 cafe", ["cafe"]),
    "full case": (Keywords("Straße"), "STRASSE", ["STRASSE"]),
    "signs": (Keywords("!"), "good!", ["!"]),
    "how a sign is drawn": (Keywords("\u2764"), "\u2764\ufe0f", ["\u2764"]),
    "a list": (Keywords(["film", "actor"]), "film actor", ["film", "actor"]),
    "Korean, with an ending": (Keywords("영화", whole_words=False), "영화는", ["영화"]),
}


@pytest.mark.parametrize("name", FOUND)
def test_words_of_every_script(name: str) -> None:
    scope, text, expected = FOUND[name]
    found = [match.group() for match in scope.pattern.finditer(text)]
    assert found == expected
    row = Bytes().ids(text)
    found_there = marked(scope, Bytes(), row, len(row))
    taken = bytes(byte for byte, is_in in zip(row, found_there, strict=True) if is_in)
    assert taken.decode() == "".join(expected)


def test_whole_words_stay_whole() -> None:
    for word, text in (("film", "films"), ("c++", "C++11"), ("영화", "영화는"), ("a", "é a\u0301")):
        assert not Keywords(word).pattern.search(text)


def test_which_tokens_of_a_word_is_said_and_compared() -> None:
    assert repr(Keywords("film").after(2)).endswith("take=_After(n=2))")
    assert "0x" not in repr(Keywords("film").last()) + repr(Regex("film").last())
    assert Keywords("film").last() == Keywords("film").last() != Keywords("film")
    assert Regex("film").after(1) == Regex("film").after(1) != Regex("film").after(2)
    assert pickle.loads(pickle.dumps(Keywords("film").last())) == Keywords("film").last()


def test_expressions_of_the_library_regex() -> None:
    scope = Regex(regex.compile(r"\p{Han}+"))
    row = Bytes().ids("a 电影 b")
    found = marked(scope, Bytes(), row, len(row))
    assert bytes(b for b, is_in in zip(row, found, strict=True) if is_in).decode() == "电影"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Keywords(), "at least one word"),
        (lambda: Keywords([]), "at least one word"),
        (lambda: Keywords("film", " "), "no empty one"),
        (lambda: Keywords("film", 3), "expected a text or a list of texts.* is 3"),
        (lambda: Keywords(None), "expected a text or a list of texts, got None"),
        (lambda: Keywords("film", whole_words="no"), "whole_words='no'.: expected True or False"),
        (lambda: Keywords("film", take=3), "take=3.: expected a function"),
        (lambda: Keywords("film").after(0), "expected a whole number of at least 1, got 0"),
        (lambda: Keywords("film").after(1.5), "expected a whole number of at least 1, got 1.5"),
        (lambda: Keywords("film").after(True), "expected a whole number of at least 1, got True"),
        (lambda: Regex("(film"), "not a regular expression"),
        (lambda: Regex(""), "expected a regular expression on text"),
        (lambda: Regex(3), "expected a regular expression on text"),
        (lambda: Regex(re.compile(b"film")), "expected a regular expression on text"),
    ],
)
def test_what_finds_nothing_is_refused(make: Any, says: str) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match=says):
        make()
