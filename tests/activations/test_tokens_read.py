"""Which tokens are read, shown; and the warning where a chat template wrote them."""

import warnings
from typing import Any

import pandas as pd
import pytest
from making import own_model

import tl_steer as ts
from tl_steer.errors import DataError, TemplateTokenWarning

TEMPLATE = (
    "{% for turn in messages %}very {{ turn['role'] }} the {{ turn['content'] }} end\n{% endfor %}"
    "{% if add_generation_prompt %}very assistant the {% endif %}"
)


@pytest.fixture(scope="module")
def chatty() -> Any:
    model = own_model("bridge")
    model.tokenizer.chat_template = TEMPLATE
    return model


def read(frame: pd.DataFrame) -> list[list[str]]:
    """The words that are read, text by text."""
    return [
        [str(token).strip() for token in part[part["read"]]["token"]]
        for _, part in frame.groupby("text")
    ]


def test_tokens_are_shown_as_they_are_read(chatty: Any) -> None:
    texts = ["the film was good", "a bad plot"]
    shown = ts.activations.tokens_read(chatty, texts)
    assert "".join(shown[shown["text"] == 0]["token"]).endswith(texts[0])
    assert read(shown) == [["film", "was", "good"], ["bad", "plot"]]
    assert read(ts.activations.tokens_read(chatty, texts, ts.LastToken())) == [["good"], ["plot"]]
    assert read(
        ts.activations.tokens_read(chatty, texts, ts.activations.AnswerToken("(bad|good)"))
    ) == [["good"], ["bad"]]
    everything = ts.activations.tokens_read(
        chatty, texts, leave_out=ts.activations.LeaveOut(first=False)
    )
    assert read(everything)[1] == ["a", "bad", "plot"]
    assert shown["token_id"].tolist() == [
        token
        for text in texts
        for token in chatty.tokenizer(text, add_special_tokens=False)["input_ids"]
    ]


def test_what_is_shown_is_what_is_captured(chatty: Any) -> None:
    texts = ["the film was good", "a bad plot"]
    every = ts.capture(chatty, texts, at=1, read=ts.activations.EveryToken(), progress=False)
    usual = ts.activations.tokens_read(chatty, texts, ts.activations.EveryToken())
    assert len(every[1]) + int(every.left_out["massive"].iloc[0]) == int(usual["read"].sum())


def test_the_last_token_of_a_chat_is_the_templates(chatty: Any) -> None:
    said = ts.data.conversations(chatty, ["was it good", "was it bad"], ["it was", "so much"])
    for look in (
        lambda: ts.activations.tokens_read(chatty, said, ts.LastToken(), prepend_bos=False),
        lambda: ts.capture(
            chatty, said, at=1, read=ts.LastToken(), prepend_bos=False, progress=False
        ),
    ):
        with pytest.warns(TemplateTokenWarning, match=r"chat template wrote, as in 2 texts"):
            look()
    began = said[0].removesuffix("it was end\n")
    with pytest.warns(TemplateTokenWarning, match="very assistant the"):
        ts.activations.tokens_read(chatty, [began], ts.LastToken(), prepend_bos=False)


def test_other_reads_and_other_texts_do_not_warn(chatty: Any) -> None:
    said = ts.data.conversations(chatty, ["was it good"], ["it was"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.activations.tokens_read(chatty, ["the film was good"], ts.LastToken())
        for other in (
            ts.activations.TokenAt(-1),
            ts.MeanOfTokens(),
            ts.activations.last_response_token(chatty),
        ):
            ts.activations.tokens_read(chatty, said, other, prepend_bos=False)
        ts.activations.tokens_read(own_model("bridge"), said, ts.LastToken())


def test_a_text_without_a_token_to_read_is_refused(chatty: Any) -> None:
    with pytest.raises(DataError, match=r"nothing in .* matches"):
        ts.activations.tokens_read(chatty, ["the film"], ts.activations.AnswerToken())
    with pytest.raises(DataError):
        ts.activations.tokens_read(chatty, [])
