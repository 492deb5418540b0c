"""Turns of a chat, by templates of several makers."""

import re
from typing import Any

import pytest
from chat_templates import (
    ASKED,
    CHAT,
    CHATS,
    TEMPLATES,
    each,
    said_by,
    speaking,
    takes,
    words,
    written,
)
from text_passes import Bytes, Merged, assert_batch_is_alone, marked

from tl_steer.errors import SteerError
from tl_steer.scopes._roles import role

PLAIN = (
    each("{{ m.role | capitalize }}: {{ m.content }}\n\n")
    + "{% if add_generation_prompt %}Assistant: {% endif %}"
)
VICUNA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ messages[0].content }}"
    "{% set messages = messages[1:] %}{% else %}A chat.{% endif %}"
    + each("{{ ' USER: ' if m.role == 'user' else ' ASSISTANT: ' }}{{ m.content }}"
           "{{ eos_token if m.role == 'assistant' }}")
    + "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)  # fmt: skip
TAGGED_BY_BOS = each("{{ bos_token }}{{ m.role }}\n{{ m.content }}{{ eos_token }}\n")
ANSWER = "It moves."


def with_template(template: str | None, *, bos: str | None = None) -> Any:
    tokenizer = Merged("<s>", "</s>").tokenizer
    tokenizer.chat_template, tokenizer.eos_token = template, "</s>"
    if bos is not None:
        tokenizer.bos_token = bos
    return speaking(tokenizer)


def model_of(name: str) -> Any:
    return speaking(words(name).tokenizer)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_each_one_says(name: str) -> None:
    roles = ("system", "user", "assistant")[TEMPLATES[name].system != "own" :]
    scopes = {who: role(model_of(name), who) for who in roles}
    for turns, begun in CHATS.values():
        if not takes(TEMPLATES[name], turns):
            continue
        text = written(name, turns, begun=begun)
        for answered in ("", ANSWER) if begun else ("",):
            for who, scope in scopes.items():
                said = [(text + answered)[slice(*span)] for span in scope.spans(text + answered)]
                expected = said_by(name, turns, text, who)
                if who == "assistant" and answered:
                    expected.append(answered)
                if who == "system" and turns[0][0] != "system" and not expected:
                    assert said == []
                    continue
                if who == "system" and TEMPLATES[name].says:
                    said = [found.strip() for found in said]
                # To the character; only Llama 2 sets a space before and after what is said.
                assert said == expected, (turns, begun, who)


def test_what_a_template_says_another_day_is_found() -> None:
    text = written("llama 3.1", [("system", ASKED), *CHAT[:1]], begun=True)
    other = re.sub(r"Today Date: .*", "Today Date: 01 Jan 1970", text)
    assert other != text
    (span,) = role(model_of("llama 3.1"), "system").spans(other)
    assert other[slice(*span)].endswith(f"01 Jan 1970\n\n{ASKED}")


@pytest.mark.parametrize("template", [PLAIN, VICUNA, TAGGED_BY_BOS])
@pytest.mark.parametrize("bos", [None, "<s>"])
def test_templates_of_plain_words(template: str, bos: str | None) -> None:
    model = with_template(template, bos=bos)
    for turns in (CHAT, (("system", ASKED), *CHAT[:3])):
        text = model.tokenizer.apply_chat_template(
            [{"role": who, "content": said} for who, said in turns], tokenize=False
        )
        for who in {who for who, _ in turns}:
            said = [text[slice(*span)].strip() for span in role(model, who).spans(text)]
            assert said == [said for speaks, said in turns if speaks == who]


def test_a_word_is_no_marker_unless_it_begins_a_line() -> None:
    text = "User: The User: is it?\n\nAssistant: It is: Assistant: so.\n\n"
    said = [text[slice(*span)] for span in role(with_template(PLAIN), "user").spans(text)]
    assert said == ["The User: is it?"]
    said = [text[slice(*span)] for span in role(with_template(PLAIN), "assistant").spans(text)]
    assert [found.strip() for found in said] == ["It is: Assistant: so."]


def test_a_role_that_only_the_template_knows() -> None:
    turns = [*CHAT[:2], ("tool", "42"), CHAT[2]]
    for model in (model_of("chatml"), with_template(PLAIN)):
        text = model.tokenizer.apply_chat_template(
            [{"role": who, "content": said} for who, said in turns], tokenize=False
        )
        spans = role(model, "tool").spans(text)
        assert [text[a:b].strip() for a, b in spans] == ["42"]
        # What a tool says is not the user's.
        said = [text[a:b].strip() for a, b in role(model, "user").spans(text)]
        assert said == [CHAT[0][1], CHAT[2][1]]


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_the_model_writes_is_the_assistants(name: str, cached: bool) -> None:
    spelled, template = Bytes(), TEMPLATES[name]
    prompt = written(name, CHAT[:1], begun=True)
    row = spelled.ids(prompt + ANSWER + template.eos)
    for who, expected in (("assistant", ANSWER), ("user", CHAT[0][1])):
        mask = marked(role(model_of(name), who), spelled, row, len(prompt), cached=cached)
        said = bytes(byte for byte, is_in in zip(row, mask, strict=True) if is_in).decode()
        # Half a closing marker is text, as long as nobody knows how it goes on.
        assert re.fullmatch(re.escape(expected) + r"(<\S*)?", said)


@pytest.mark.parametrize("cached", [True, False])
def test_half_a_character_is_the_assistants_as_well(cached: bool) -> None:
    prompt = Bytes().ids(written("qwen 2.5", CHAT[:1], begun=True))
    row = prompt + Bytes().ids("电影")[:-1]
    for who, is_it in (("assistant", True), ("user", False)):
        found = marked(role(model_of("qwen 2.5"), who), Bytes(), row, len(prompt), cached=cached)
        assert found[len(prompt) :] == [is_it] * 5


def test_what_is_written_after_plain_words() -> None:
    prompt = with_template(PLAIN).tokenizer.apply_chat_template(
        [{"role": "user", "content": "Why?"}], tokenize=False, add_generation_prompt=True
    )
    row = Bytes().ids(prompt + ANSWER)
    for who, expected in (("assistant", ANSWER), ("user", "Why?")):
        mask = marked(role(with_template(PLAIN), who), Bytes(), row, len(prompt))
        assert bytes(b for b, is_in in zip(row, mask, strict=True) if is_in).decode() == expected


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name", ["gemma 3", "mistral 3", "llama 2", "llama 3", "qwen 3"])
def test_neither_cache_nor_batch_matter(name: str, cached: bool) -> None:
    spelled = words(name)
    prompts = [spelled.ids(written(name, CHAT[:n], begun=True)) for n in (1, 3)]
    rows = [first + spelled.ids("The film moved.") for first in prompts]
    for who in ("user", "assistant"):
        lengths = [len(first) for first in prompts]
        assert_batch_is_alone(role(model_of(name), who), spelled, rows, lengths, cached=cached)


def test_no_token_of_a_marker_is_marked() -> None:
    """Where white space and signs share tokens with what is said, they are the marker's."""
    for name in TEMPLATES:
        spelled = words(name)
        row = spelled.ids(written(name, CHAT[:2], begun=False))
        for who, (_, content) in zip(("user", "assistant"), CHAT[:2], strict=True):
            mask = marked(role(model_of(name), who), spelled, row, len(row))
            said = spelled.decode([each for each, is_in in zip(row, mask, strict=True) if is_in])
            assert said.strip() == content


@pytest.mark.parametrize(
    ("template", "name", "says"),
    [
        (None, "user", "no chat template"),
        (TEMPLATES["gemma 2"].text, "system", "takes no 'system' turn"),
        (TEMPLATES["gemma 3"].text, "system", "writes the system's text into the user's"),
        (TEMPLATES["mistral 3"].text, "system", "Regex"),
        (TEMPLATES["phi 3, first"].text, "system", "or leaves it out"),
        (TEMPLATES["llama 2"].text, "tool", "takes no 'tool' turn"),
        (TEMPLATES["gemma 2"].text, "model", "takes no 'model' turn"),
        ("{{ messages[0].content }}", "user", "does not write turns"),
        (each("{{ m.content }} "), "user", "writes nothing before turns"),
        (each("<x>{{ m.content }}"), "user", "writes nothing before turns"),
        (TEMPLATES["chatml"].text, "User", "do you mean 'user'"),
        (TEMPLATES["chatml"].text, "asistant", "do you mean 'assistant'"),
        (TEMPLATES["chatml"].text, " ", "expected a name"),
    ],
)
def test_what_has_no_roles_is_refused(template: str | None, name: str, says: str) -> None:
    with pytest.raises(SteerError, match=says):
        role(with_template(template), name)


def test_a_role_that_a_template_writes_as_anothers() -> None:
    as_user = each("<{{ 'user' if m.role == 'tool' else m.role }}>{{ m.content }}</>")
    with pytest.raises(SteerError, match="writes one as the user's"):
        role(with_template(as_user), "tool")
