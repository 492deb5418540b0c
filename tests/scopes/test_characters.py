"""Spans of the prompt's characters."""

import pytest
from hypothesis import given, settings, strategies as st
from text_passes import Bytes, Merged, assert_batch_is_alone, marked, marked_text

from tl_steer.errors import SteerError
from tl_steer.scopes._characters import Characters

bound = st.integers(-12, 12)


@given(st.text("abé😀 ", min_size=1, max_size=8), bound, st.none() | bound)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_it_is_a_slice_of_the_prompt(prompt: str, start: int, stop: int | None) -> None:
    if not any(len(range(length)[start:stop]) for length in range(40)):
        with pytest.raises(SteerError, match="is empty"):
            Characters(start, stop)
        return
    first = list(prompt.encode())
    row = [*first, *b" and more"]
    found = marked(Characters(start, stop), Bytes(), row, len(first))
    taken = bytes(byte for byte, is_in in zip(row, found, strict=True) if is_in)
    assert taken.decode() == prompt[start:stop]


@pytest.mark.parametrize("scope", [Characters(2, 6), Characters(-4), Characters(0, -3)])
@pytest.mark.parametrize("cached", [True, False])
def test_neither_cache_nor_batch_matter(scope: Characters, cached: bool) -> None:
    words = Merged()
    prompts = [words.ids("The naïve film"), words.ids("films")]
    rows = [first + words.ids(" was") for first in prompts]
    assert_batch_is_alone(scope, words, rows, [len(each) for each in prompts], cached=cached)


def test_a_beginning_of_text_token_does_not_count() -> None:
    words = Merged("<bos>")
    (words.bos_token_id,) = words.ids("<bos>")
    assert "".join(marked_text(Characters(0, 4), words, "<bos>film was")) == "film"
    assert "".join(marked_text(Characters(0, -4), words, "<bos>film was")) == "film"
    assert "".join(marked_text(Characters(0, 4), words, "film was")) == "film"
