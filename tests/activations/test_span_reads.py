import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from making import as_users_run_it
from models import WORDS, small_model, tokenizer

import tl_steer as ts
from tl_steer.activations._reads import Read, TextTokens
from tl_steer.activations._span_reads import (
    FirstOf,
    InSpans,
    LastOf,
    first_response_token,
    last_response_token,
    response_tokens,
)
from tl_steer.data import conversations
from tl_steer.errors import DataError, SteerError

AT = "blocks.1.hook_resid_post"
EVERYTHING = ts.activations.LeaveOut(bos=False, first=False, massive=None)
TEMPLATE = (
    "{% for turn in messages %}"
    "{{ 'so' if turn['role'] == 'user' else 'end' }} {{ turn['content'] }} but {% endfor %}"
    "{% if add_generation_prompt %}end {% endif %}"
)


@cache
def model() -> Any:
    made = small_model("bridge")
    made.tokenizer = tokenizer()
    made.tokenizer.chat_template = TEMPLATE
    return made


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[letter == "x" for letter in row] for row in rows])


def words_of(texts: Sequence[str], eligible: torch.Tensor | None = None) -> TextTokens:
    """Every word is a token, and knows its characters."""
    spans = []
    for text in texts:
        spans.append([])
        for word in text.split():
            start = spans[-1][-1][1] + 1 if spans[-1] else 0
            spans[-1].append((start, start + len(word)))
    width = max(map(len, spans))
    real = torch.tensor([[i < len(row) for i in range(width)] for row in spans])
    return TextTokens(real, real if eligible is None else eligible, texts, lambda: spans)


def read(texts: Sequence[str], how: Read, **options: Any) -> torch.Tensor:
    options = {"leave_out": EVERYTHING, "prepend_bos": False, **options}
    return ts.capture(model(), texts, at=AT, read=how, progress=False, **options)[AT]


def acts_alone(text: str, *, prepend_bos: bool = False) -> torch.Tensor:
    ids = model().tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[1] * prepend_bos + ids])
    _, found = model().run_with_cache(tokens, names_filter=AT)
    return found[AT][0].detach()


def test_every_match_is_marked_and_every_token_that_it_touches() -> None:
    tokens = words_of(["the film was a film", "film it was very good"])
    assert torch.equal(InSpans("film")(tokens), mask(".x..x", "x...."))
    assert torch.equal(InSpans(r"il. wa|film(?! was)")(tokens), mask(".xx.x", "x...."))
    # A space is no token here, and what ends where a token begins does not touch it.
    assert torch.equal(InSpans(r"film ?")(tokens), mask(".x..x", "x...."))


def test_the_first_group_counts_where_there_is_one() -> None:
    tokens = words_of(["so the film was good", "the plot was bad but"])
    assert torch.equal(InSpans(r"the (\w+) was (\w+)")(tokens), mask("..x..", ".x..."))
    # A group that took no part is no place.
    assert torch.equal(InSpans(r"(film|plot)|was")(tokens), mask("..x..", ".x..."))
    assert torch.equal(InSpans(r"(?:the) was|was")(tokens), mask("...x.", "..x.."))


def test_a_function_says_where_as_well() -> None:
    def last_word(text: str) -> list[tuple[int, int]]:
        return [(text.rindex(" ") + 1, len(text))]

    tokens = words_of(["the film", "a very good plot"])
    assert torch.equal(InSpans(last_word)(tokens), mask(".x..", "...x"))
    assert repr(InSpans(last_word)).endswith("last_word)")
    assert "0x" not in repr(InSpans(last_word))
    assert repr(InSpans(r"(\w+)")) == r"InSpans('(\\w+)')"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), st.integers(0, 99),
       st.integers(1, 30))  # fmt: skip
def test_a_token_is_marked_if_a_character_of_it_is(words: list[str], start: int, n: int) -> None:
    text = " ".join(words)
    start %= len(text)
    wanted = [start <= i < start + n and letter != " " for i, letter in enumerate(text)]
    tokens = words_of([text])
    expected = [any(wanted[a:b]) for a, b in tokens.spans()[0]]
    found = InSpans(lambda _: [(start, start + n)])(tokens)
    assert found[0].tolist() == expected


def test_what_is_left_out_is_not_marked() -> None:
    tokens = words_of(["film film film"], mask(".xx"))
    assert torch.equal(InSpans("film")(tokens), mask(".xx"))
    assert torch.equal(FirstOf(InSpans("film"))(tokens), mask(".x."))


def test_first_and_last_are_of_each_row() -> None:
    tokens = words_of(["a film a film a", "film film it was so"])
    assert torch.equal(FirstOf(InSpans("film"))(tokens), mask(".x...", "x...."))
    assert torch.equal(LastOf(InSpans("film"))(tokens), mask("...x.", ".x..."))
    assert torch.equal(LastOf(ts.MeanOfTokens())(tokens), ts.LastToken()(tokens))
    assert repr(FirstOf(InSpans("film"))) == "FirstOf(read=InSpans('film'))"


@pytest.mark.parametrize("find", ["plot", "x*", lambda text: [], lambda text: [(3, 3)]])
def test_a_text_without_a_place_is_named(find: Any) -> None:
    with pytest.raises(DataError, match=r"InSpans\(.*\) finds nothing in 'the film'"):
        InSpans(find)(words_of(["the film"]))


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(SteerError, match=r"'\(film' is not a regular expression"):
        InSpans("(film")


@pytest.mark.parametrize("prepend_bos", [False, True])
def test_vectors_are_those_of_the_tokens(prepend_bos: bool) -> None:
    texts = ["the film was good", "a dull movie and a bad movie so i saw it", "this movie"]
    found = read(texts, InSpans("film|movie"), prepend_bos=prepend_bos)
    places = ([1], [2, 6], [1])
    for vector, text, place in zip(found, texts, places, strict=True):
        acts = acts_alone(text, prepend_bos=prepend_bos)[prepend_bos:]
        torch.testing.assert_close(vector, acts[place].mean(0), rtol=1e-4, atol=1e-5)


def test_a_text_whose_place_is_left_out_is_named() -> None:
    with pytest.raises(DataError, match="text 1 has no token left to read"):
        read(
            ["a film", "film it was"],
            InSpans("film"),
            leave_out=ts.activations.LeaveOut(massive=None),
        )


@pytest.mark.parametrize(
    ("how", "of"),
    [
        (response_tokens, slice(None)),
        (first_response_token, slice(0, 1)),
        (last_response_token, slice(-1, None)),
    ],
)
def test_answers_are_read_in_conversations(how: Any, of: slice) -> None:
    answers = ["very good music", "bad", "the plot and the end so"]
    asked = ["the film", "this movie was it good", "i saw the end"]
    texts = conversations(model(), asked, answers)
    found = read(texts, how(model()))
    for vector, text, answer in zip(found, texts, answers, strict=True):
        n = len(answer.split())
        acts = acts_alone(text)[-1 - n : -1]  # before "but"
        torch.testing.assert_close(vector, acts[of].mean(0), rtol=1e-4, atol=1e-5)


def test_what_was_read_is_said_and_the_same_every_time() -> None:
    how = first_response_token(model())
    assert repr(how) == "FirstOf(read=InSpans(LastResponse(after=' but end ', before=' but ')))"
    assert repr(how) == repr(first_response_token(model()))
    answers = ts.ContrastSet(
        conversations(model(), ["the film"] * 2, ["good", "great"]),
        conversations(model(), ["the film"] * 2, ["bad", "awful"]),
    )
    acts = ts.capture(model(), answers, at=AT, read=how, prepend_bos=False, progress=False)
    assert ts.mean_difference(acts)[AT].provenance.read == repr(how)
    with pytest.raises(DataError, match=r"LastResponse\(.*\) finds nothing in 'the film was'"):
        read(["the film was"], how)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: InSpans(""), "expected a regular expression on text"),
        (lambda: InSpans(3), "expected a regular expression on text"),
        (lambda: InSpans(re.compile(b"film")), "expected a regular expression on text"),
        (lambda: FirstOf("film"), "expected a read"),
        (lambda: LastOf(InSpans), "expected a read"),
        (lambda: ts.activations.TokenAt(0.5), "expected a whole number"),
        (lambda: ts.activations.TokenAt(True), "expected a whole number"),
        (lambda: ts.activations.AnswerToken("("), "not a regular expression"),
        (lambda: ts.activations.AnswerToken(None), "expected a regular expression on text"),
    ],
)
def test_what_reads_nothing_is_refused(make: Any, says: str) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match=says):
        make()


@pytest.mark.parametrize("found", [3, [3], [("a", "b")], [(0.5, 2)], [(0, 1, 2)]])
def test_what_is_no_place_is_refused(found: Any) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match="Expected pairs of whole numbers"):
        InSpans(lambda text: found)(words_of(["the film"]))


def test_a_place_that_is_counted_from_the_end_is_refused() -> None:
    with pytest.raises(DataError, match="Count characters from 0"):
        InSpans(lambda text: [(-3, 2)])(words_of(["the film"]))


def test_compiled_patterns_and_numbers_as_they_come() -> None:
    tokens = words_of(["the FILM was a film"])
    assert torch.equal(InSpans(re.compile("film", re.IGNORECASE))(tokens), mask(".x..x"))
    with as_users_run_it():
        assert ts.activations.TokenAt(np.int64(1)) == ts.activations.TokenAt(1)  # type: ignore[arg-type]


def test_an_answer_of_no_characters_is_none() -> None:
    tokens = words_of(["so (A) or ()"])
    assert torch.equal(ts.activations.AnswerToken(r"\((\w*)\)")(tokens), mask(".x.."))
    with pytest.raises(DataError, match=r"nothing in .* matches"):
        ts.activations.AnswerToken(r"\((\w*)\)")(words_of(["so ()"]))
