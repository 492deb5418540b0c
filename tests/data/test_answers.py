"""Where answers stand in conversations, on every kind of template."""

from typing import Any

import pytest
import torch
from chat_templates import CHAT, CHATS, TEMPLATES, speaking as speaks_of, takes, words, written

from tl_steer.activations import (
    TextTokens,
    first_response_token,
    last_response_token,
    response_tokens,
)
from tl_steer.data._conversations import conversations, last_response
from tl_steer.lens.tokens import spans, tokenize

ANSWERS = ["Yes.", "No, it is not.\nNot at all. <b>", "x", "I [think] so: User: it is"]


def speaking(name: str) -> Any:
    return speaks_of(words(name).tokenizer)


@pytest.mark.parametrize("name", TEMPLATES)
def test_answers_are_found(name: str) -> None:
    model = speaking(name)
    where = last_response(model)
    asked = ["Is it good?", "Say <|end|> or so.", "One\n\ntwo", "Why?"]
    system = None if TEMPLATES[name].system in ("refused", "left out") else "Be brief."
    system = None if name == "mistral 3" else system
    for text, answer in zip(
        conversations(model, asked, ANSWERS, system=system), ANSWERS, strict=True
    ):
        ((start, end),) = where(text)
        assert text[start:end] == answer


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_last_answer_of_several_turns(name: str) -> None:
    where = last_response(speaking(name))
    for turns, begun in CHATS.values():
        if not takes(TEMPLATES[name], turns):
            continue
        text = written(name, turns, begun=begun)
        answered = [said for who, said in turns if who == "assistant"]
        found = [text[slice(*span)] for span in where(text)]
        # Some templates always begin an answer, and one that is begun is the last.
        if turns[-1][0] == "user" and text == written(name, turns, begun=True):
            assert found == []
            ((start, end),) = where(text + "So.")
            assert (text + "So.")[start:end] == "So."
        else:
            assert found == answered[-1:]


@pytest.mark.parametrize("name", TEMPLATES)
def test_reads_take_the_tokens_of_the_answer(name: str) -> None:
    model = speaking(name)
    model.cfg = type("Configuration", (), {"n_ctx": 512, "default_prepend_bos": False})
    texts = conversations(model, ["Is it good?"] * 2, ANSWERS[:2])
    rows = tokenize(model, texts)
    width = max(map(len, rows))
    real = torch.tensor([[n < len(row) for n in range(width)] for row in rows])
    tokens = TextTokens(real, real, texts, lambda: spans(model, texts, rows))
    reads = {
        "all": response_tokens(model),
        "first": first_response_token(model),
        "last": last_response_token(model),
    }
    found = {kind: read(tokens) for kind, read in reads.items()}
    for number, (row, answer) in enumerate(zip(rows, ANSWERS[:2], strict=True)):
        places = found["all"][number].nonzero().flatten().tolist()
        assert model.tokenizer.decode([row[place] for place in places]).strip() == answer
        assert places == list(range(places[0], places[-1] + 1))
        assert found["first"][number].nonzero().flatten().tolist() == places[:1]
        assert found["last"][number].nonzero().flatten().tolist() == places[-1:]


def test_what_was_thought_before_is_no_part_of_an_answer() -> None:
    text = written("qwen 3", CHAT[:2], begun=False)
    assert "<think>" in text
    ((start, end),) = last_response(speaking("qwen 3"))(text)
    assert text[start:end] == CHAT[1][1]
