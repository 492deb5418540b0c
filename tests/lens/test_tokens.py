"""Texts to tokens and back: padding, the beginning of texts, chat templates, characters."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from making import TEXTS, own_model, rows_of, shared_model
from models import WORDS, tokenizer

import tl_steer as ts
from tl_steer.errors import DataError, SteerError
from tl_steer.lens import tokens

BOS = 1
TEMPLATE = (
    "{% for turn in messages %}{{ turn['role'][0] }} {{ turn['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}so{% endif %}"
)


def with_tokenizer(**settings: Any) -> Any:
    model = own_model("bridge")
    model.tokenizer = tokenizer()
    for name, value in settings.items():
        setattr(model.tokenizer, name, value)
    return model


def test_ids_are_those_of_the_tokenizer(model: Any) -> None:
    # The tokenizer before TransformerLens made one of its own, which prepends a token.
    expected = [tuple(tokenizer()(text)["input_ids"]) for text in TEXTS]
    assert tokens.tokenize(model, TEXTS) == expected
    assert tokens.tokenize(model, TEXTS, prepend_bos=True) == [(BOS, *row) for row in expected]
    assert [tokens.decode(model, row) for row in expected] == list(TEXTS)
    assert tokens.decode(model, (BOS, *expected[0], 0)) == TEXTS[0]


@pytest.mark.parametrize("default", [True, False])
def test_the_models_default_is_the_default(default: bool) -> None:
    model = own_model("bridge")
    model.cfg.default_prepend_bos = default
    assert (tokens.tokenize(model, ["film"])[0][0] == BOS) == default
    model.tokenizer = tokenizer()
    model.tokenizer.bos_token = None
    assert tokens.tokenize(model, ["film"]) == [tuple(tokenizer()("film")["input_ids"])]


def test_no_beginning_of_text_token_to_prepend() -> None:
    with pytest.raises(SteerError, match="has no beginning-of-text token"):
        tokens.tokenize(with_tokenizer(bos_token=None), ["film"], prepend_bos=True)


def test_half_of_a_character_is_no_text() -> None:
    model = shared_model("bridge", "llama")
    for texts in ("the film\ud800", ["a movie", "the film\ud800"]):
        with pytest.raises(DataError, match="has half of a character"):
            ts.generate(model, texts, max_new_tokens=1)


def test_no_tokenizer() -> None:
    model = own_model("bridge")
    model.tokenizer = None
    with pytest.raises(SteerError, match=r"model\.tokenizer = tokenizer"):
        tokens.tokenize(model, ["film"])


def test_texts_that_do_not_fit(model: Any) -> None:
    with pytest.raises(DataError, match="text 1 has no token: ''"):
        tokens.tokenize(model, ["film", ""])
    assert len(tokens.tokenize(model, ["film " * 64])[0]) == model.cfg.n_ctx
    with pytest.raises(DataError, match="text 1 has 65 tokens; this model's context holds 64"):
        tokens.tokenize(model, ["film", "film " * 65])
    with pytest.raises(DataError, match="65 tokens"):
        tokens.tokenize(model, ["film " * 64], prepend_bos=True)
    rows = tokens.tokenize(model, ["film " * 60])
    tokens.check_lengths(model, rows, ["film"], room=4)
    with pytest.raises(DataError, match="60 tokens and 5 are to follow"):
        tokens.check_lengths(model, rows, ["film"], room=5)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    rows=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6).map(tuple), min_size=1),
    side=st.sampled_from(["left", "right"]),
)
def test_padding_can_be_taken_off_again(rows: list[tuple[int, ...]], side: Any) -> None:
    batch = tokens.pad(rows, side=side, pad_id=0)
    assert batch.tokens.shape == batch.real.shape == (len(rows), max(map(len, rows)))
    assert [tuple(row[real].tolist()) for row, real in zip(*_both(batch), strict=True)] == rows
    edge = batch.real[:, -1 if side == "left" else 0]
    assert bool(edge.all())
    assert bool((batch.tokens[~batch.real] == 0).all())


def _both(batch: tokens.Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.tokens, batch.real


def test_where_texts_begin(model: Any) -> None:
    found = tokens.is_bos(model, torch.tensor([[BOS, BOS], [5, BOS]]))
    assert found.tolist() == [[True, False], [False, False]]


def test_chat_template() -> None:
    model = with_tokenizer(chat_template=TEMPLATE)
    model.cfg.default_prepend_bos = True
    words = ["<unk>", "film", "so"]
    expected = tuple(model.tokenizer.convert_tokens_to_ids(words))
    assert tokens.tokenize(model, ["film"], chat=ts.Chat()) == [expected]
    unknown, film, so = expected
    bad = model.tokenizer.convert_tokens_to_ids("bad")
    with_system = tokens.tokenize(model, ["film"], chat=ts.Chat(system="bad"))
    assert with_system == [(unknown, bad, unknown, film, so)]
    assert tokens.tokenize(model, ["film"], chat=ts.Chat(), prepend_bos=True) == [(BOS, *expected)]
    with pytest.raises(SteerError, match="has no chat template"):
        tokens.tokenize(with_tokenizer(), ["film"], chat=ts.Chat())


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map("  ".join), min_size=1
    ),
    prepend_bos=st.booleans(),
)
def test_spans_say_which_characters(texts: list[str], prepend_bos: bool) -> None:
    model = shared_model("bridge", "llama")
    rows = tokens.tokenize(model, texts, prepend_bos=prepend_bos)
    for text, row, spans in zip(texts, rows, tokens.spans(model, texts, rows), strict=True):
        assert len(spans) == len(row)
        if prepend_bos:
            assert spans[0] == (0, 0)
        own = spans[prepend_bos:]
        assert [text[start:end] for start, end in own] == text.split()


def test_spans_want_a_fast_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shared_model("bridge", "llama")
    slow = type(model.tokenizer)
    monkeypatch.setattr(slow, "is_fast", False)
    with pytest.raises(SteerError, match=f"{slow.__name__} does not say which characters"):
        tokens.spans(model, TEXTS, rows_of(model))


def test_tokens_that_end_a_text(model: Any) -> None:
    assert tokens.eos_ids(model) == [0]
    assert tokens.pad_id(model) == 0


def test_several_tokens_end_a_text() -> None:
    model = with_tokenizer(eos_token="film", pad_token=None)
    film = model.tokenizer.convert_tokens_to_ids("film")
    assert tokens.eos_ids(model) == [0, film], "the tokenizer's, and the generation settings'"
    assert tokens.pad_id(model) == film
    model.original_model.generation_config.eos_token_id = [7, film]
    assert tokens.eos_ids(model) == sorted([7, film])
