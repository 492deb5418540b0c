"""Roles where models generate by themselves, on every kind of template."""

from functools import cache
from typing import Any

import pytest
import torch
from chat_templates import CHATS, TEMPLATES, said_by, takes, words, written
from kinds import KINDS
from making import as_users_run_it, direction
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.loading import wrap

WRITE = "blocks.0.hook_resid_post"


@cache
def chatting(kind: str) -> Any:
    """A small model that can read all templates; its tokenizer is changed."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,
        attn_implementation="eager",
    )
    made = LlamaForCausalLM(config).eval()
    model: Any = wrap(
        made,
        words("chatml").tokenizer,
        name="small-chat",
        kind="hooked" if kind == "hooked" else "bridge",
        device="cpu",
    )
    if kind == "compatible":
        model.enable_compatibility_mode(no_processing=True)
    with torch.no_grad():
        model.run_with_cache("the film")
    return model


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return chatting(request.param)


def speaks(model: Any, name: str) -> Any:
    model.tokenizer = words(name).tokenizer
    return model


class Listening:
    """A scope of a role that writes down what it marks in each pass."""

    # Asked pass by pass, as the library's own scopes are.
    __module__ = "tl_steer"

    def __init__(self, scope: Any) -> None:
        self.scope, self.told = scope, list[Tensor]()

    def __call__(self, context: Context) -> Tensor:
        found: Tensor = self.scope(context)
        self.told.append(found[0])
        return found


def overlapping(tokenizer: Any, ids: list[int], text: str, said: list[str]) -> list[bool]:
    """Tokens that hold a character of what is said, one after another in the text."""
    pieces = [tokenizer.decode([each]) for each in ids]
    assert "".join(pieces) == text
    ends = torch.tensor([len(piece) for piece in pieces]).cumsum(0).tolist()
    chosen, begin = [False] * len(ids), 0
    for each in said:
        start = text.index(each, begin)
        begin = start + len(each)
        for number, (piece, end) in enumerate(zip(pieces, ends, strict=True)):
            chosen[number] |= end > start and end - len(piece) < begin
    return chosen


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name", TEMPLATES)
def test_in_the_models_own_generate(model: Any, name: str, cached: bool) -> None:
    model, tokenizer = speaks(model, name), words(name).tokenizer
    for turns, begun in (CHATS["1 turns, begun"], CHATS["3 turns, system, begun"]):
        if not takes(TEMPLATES[name], turns):
            turns = turns[1:]
        text = written(name, turns, begun=begun)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        for who in ("user", "assistant"):
            listening = Listening(ts.scopes.role(model, who))
            with ts.steer(model, ts.Add(direction(model, WRITE), scope=listening)):
                whole = model.generate(
                    torch.tensor([ids]),
                    max_new_tokens=4,
                    do_sample=False,
                    stop_at_eos=False,
                    use_past_kv_cache=cached,
                    verbose=False,
                )[0].tolist()
            masks = [each.tolist() for each in listening.told]
            found = [one for mask in masks for one in mask] if cached else masks[-1]
            said = said_by(name, turns, text, who)
            assert found[: len(ids)] == overlapping(tokenizer, ids, text, said)
            for token, is_marked in zip(whole[len(ids) :], found[len(ids) :], strict=False):
                # A turn may end, or another begin, with a token of the template; then it is over.
                if token in tokenizer.added_tokens_decoder:
                    break
                # The space that a template sets before an answer is not a part of it.
                if tokenizer.decode([token]).strip():
                    assert is_marked == (who == "assistant")


@pytest.mark.parametrize("name", TEMPLATES)
def test_ours_and_the_models_generate_agree(model: Any, name: str) -> None:
    model = speaks(model, name)
    steering = ts.Steering(
        ts.Add(direction(model, WRITE), 3.0, scope=ts.scopes.role(model, "user"))
    )
    prompts = ["What is a film?", "Who?"]
    sampling = ts.Sampling(3, temperature=0.0, stop_at_eos=False)
    ours = ts.generate(model, prompts, steering, sampling, chat=ts.Chat(), progress=False).frame
    plain = ts.generate(model, prompts, None, sampling, chat=ts.Chat(), progress=False).frame
    assert [*ours["log_probs"]] != [*plain["log_probs"]]
    for prompt, tokens in zip(prompts, ours["tokens"], strict=True):
        text = written(name, [("user", prompt)], begun=True)
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        with ts.steer(model, steering):
            whole = model.generate(
                torch.tensor([ids]),
                max_new_tokens=3,
                do_sample=False,
                stop_at_eos=False,
                verbose=False,
            )
        assert whole[0, len(ids) :].tolist() == tokens


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_systems_turn_is_written_or_refused_in_a_sentence(name: str) -> None:
    model, template = speaks(chatting("bridge"), name), TEMPLATES[name]
    ask: dict[str, Any] = {"chat": ts.Chat(system="Answer briefly."), "progress": False}
    says = {"refused": "takes no 'system' turn", "left out": "leaves out the system's turn"}
    with torch.no_grad():
        if template.system in says:
            with pytest.raises(SteerError, match=says[template.system]) as refused:
                ts.generate(model, "Why?", None, ts.Sampling(1), **ask)
            assert "at the beginning of the prompt" in str(refused.value)
            assert "jinja" not in str(refused.value).lower()
            with pytest.raises(SteerError, match=says[template.system]):
                ts.data.conversations(model, ["Why?"], ["So."], system="Answer briefly.")
            return
        frame = ts.generate(model, "Why?", None, ts.Sampling(1), **ask).frame
    assert "Answer briefly." in model.tokenizer.decode(frame["prompt_tokens"][0])
    if name == "mistral 3":  # Only before a question that is not answered yet.
        with pytest.raises(SteerError, match="leaves out the system's turn"):
            ts.data.conversations(model, ["Why?"], ["So."], system="Answer briefly.")
    else:
        (text,) = ts.data.conversations(model, ["Why?"], ["So."], system="Answer briefly.")
        assert text.index("Answer briefly.") < text.index("Why?") < text.index("So.")


def test_a_template_that_fails_otherwise_is_told_of() -> None:
    model = speaks(chatting("bridge"), "gemma 2")
    model.tokenizer.chat_template = "{{ messages[0].content + messages[0].nothing }}"
    with pytest.raises(SteerError, match=r"takes no chat of user \(.*nothing"):
        ts.generate(model, "Why?", chat=ts.Chat(), progress=False)
    model.tokenizer.chat_template = "{{ 'nothing at all' }}"
    with pytest.raises(SteerError, match="leaves out the user's turn"):
        ts.generate(model, "Why?", chat=ts.Chat(), progress=False)
    model.tokenizer.chat_template = TEMPLATES["gemma 2"].text


def test_a_system_that_is_no_text_is_refused() -> None:
    with as_users_run_it(), pytest.raises(SteerError, match="expected a text or None, got 3"):
        ts.Chat(system=3)  # type: ignore[arg-type]
