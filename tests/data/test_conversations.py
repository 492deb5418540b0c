from functools import cache
from typing import Any

import pytest
import torch
from making import packaged
from models import small_model, tokenizer

import tl_steer as ts
from tl_steer.activations import first_response_token, response_tokens
from tl_steer.data._conversations import LastResponse, conversations, last_response
from tl_steer.errors import DataError, SteerError

CHATML = (
    "{% for turn in messages %}<|{{ turn['role'] }}|>\n{{ turn['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
INSTRUCT = (  # Answers follow a prompt without a mark that asks for them; texts are trimmed.
    "{% for turn in messages %}{% if turn['role'] == 'user' %}[INST] {{ turn['content'].strip() }} "
    "[/INST]{% else %} {{ turn['content'].strip() }} </s>{% endif %}{% endfor %}"
)
THINKING = (  # An empty thought is written before an answer.
    "{% for turn in messages %}<{{ turn['role'] }}>"
    "{% if turn['role'] == 'assistant' %}<think></think>{% endif %}{{ turn['content'] }}</>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
SYSTEM = "{{ '[' + messages[0]['content'] + ']' if messages[0]['role'] == 'system' else '[none]' }}"


def with_template(template: str | None) -> Any:
    model = small_model("bridge")
    model.tokenizer = tokenizer()
    model.tokenizer.chat_template = template
    return model


@cache
def chatml() -> Any:
    return with_template(CHATML)


def test_each_prompt_is_followed_by_its_answer() -> None:
    found = conversations(chatml(), ["Is it good?", "And this?"], ("Yes.", "No."))
    assert found == [
        "<|user|>\nIs it good?<|end|>\n<|assistant|>\nYes.<|end|>\n",
        "<|user|>\nAnd this?<|end|>\n<|assistant|>\nNo.<|end|>\n",
    ]
    (found_too,) = conversations(chatml(), ["Is it?"], ["Yes."], system="Be brief.")
    assert found_too.startswith("<|system|>\nBe brief.<|end|>\n<|user|>\n")


def test_a_system_s_turn_is_left_to_the_template() -> None:
    model = with_template(SYSTEM + CHATML)
    assert conversations(model, ["a"], ["b"])[0].startswith("[none]")
    assert conversations(model, ["a"], ["b"], system="s")[0].startswith("[s]")


@pytest.mark.parametrize("template", [CHATML, INSTRUCT, THINKING, SYSTEM + THINKING])
def test_answers_are_found_in_every_kind_of_template(template: str) -> None:
    model = with_template(template)
    where = last_response(model)
    prompts = ["Is it good?", "Say [/INST] and end.", "One\n\ntwo"]
    answers = ["Yes.", "No, it is not.\nNot at all. <b>", "x"]
    for text, answer in zip(conversations(model, prompts, answers), answers, strict=True):
        ((start, end),) = where(text)
        assert text[start:end] == answer


def test_the_last_of_several_answers_is_found() -> None:
    where = last_response(chatml())
    turns = [
        {"role": role, "content": role[0] * n} for n in (1, 2) for role in ("user", "assistant")
    ]
    text = chatml().tokenizer.apply_chat_template(turns, tokenize=False)
    ((start, end),) = where(text)
    assert text[start:end] == "aa"
    # An answer that is being written goes on to the end; one not yet begun is none.
    ((start, end),) = where(text.removesuffix("<|end|>\n") + " and")
    assert text[start : end - 4] == "aa"
    begun = chatml().tokenizer.apply_chat_template(
        turns[:1], tokenize=False, add_generation_prompt=True
    )
    assert where(begun) == []
    assert where("no conversation") == []


def test_a_place_can_be_made_by_hand() -> None:
    assert LastResponse("A: ", "")("Q: is it? A: yes") == [(13, 16)]


def test_what_makes_no_conversation_is_refused() -> None:
    with pytest.raises(DataError, match="2 prompts and 1 responses"):
        conversations(chatml(), ["a", "b"], ["c"])
    with pytest.raises(DataError, match=r"prompts='a'.: expected a list of texts, got 'a'"):
        conversations(chatml(), "a", ["c"])
    with pytest.raises(DataError, match="responses: 1 of 1 texts are empty"):
        conversations(chatml(), ["a"], [" "])
    without = with_template(None)
    with pytest.raises(SteerError, match="has no chat template"):
        conversations(without, ["a"], ["b"])
    with pytest.raises(SteerError, match="has no chat template"):
        last_response(without)


@pytest.mark.parametrize(
    "template",
    [
        "nothing of the turns",
        "{% for turn in messages %}{{ turn['content'] }} {% endfor %}",
        "{{ messages[-1]['content'] }}",
    ],
)
def test_a_template_that_does_not_mark_answers_is_refused(template: str) -> None:
    with pytest.raises(SteerError, match="nothing between a prompt and its answer"):
        last_response(with_template(template))


@pytest.mark.packaged
def test_answers_of_the_packaged_model() -> None:
    model = packaged("bridge")
    at = "blocks.10.hook_resid_post"
    prompts = ["Is the film good?", "What did you think of the plot?"]
    answers = ["I loved it.", "It was dull, and much too long."]
    texts = conversations(model, prompts, answers)
    assert texts[0].endswith("<|im_start|>assistant\nI loved it.<|im_end|>\n")
    found = {
        name: ts.capture(model, texts, at=at, read=how, prepend_bos=False, progress=False)
        for name, how in {
            "mean": response_tokens(model),
            "first": first_response_token(model),
        }.items()
    }
    # The template begins with a beginning-of-text token of its own.
    assert found["mean"].left_out.loc[at, "bos"] == len(texts)
    assert found["mean"].left_out.loc[at, "first"] == 0
    for row, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        tokens = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            _, cache_ = model.run_with_cache(tokens, names_filter=at)
        n = len(model.tokenizer(answer, add_special_tokens=False)["input_ids"])
        assert model.tokenizer.decode(tokens[0, -2 - n : -2]) == answer
        acts = cache_[at][0, -2 - n : -2]  # before <|im_end|> and the end of the line
        torch.testing.assert_close(found["mean"][at][row], acts.mean(0), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found["first"][at][row], acts[0], rtol=1e-3, atol=1e-3)
