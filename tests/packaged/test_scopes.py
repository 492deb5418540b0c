"""Scopes on the packaged model: its own tokenizer, its own chat template, a head that refers."""

from functools import cache
from typing import Any

import pytest
import torch
from making import generated_by_us, greedy, packaged

import tl_steer as ts
from tl_steer.lens.context import Context
from tl_steer.lens.parts import reads_of
from tl_steer.scopes import (
    AttendsTo,
    Characters,
    Keywords,
    PerPrompt,
    ProjectionAbove,
    Sentences,
    fit_threshold,
    role,
)
from tl_steer.strengths import AttentionShare

pytestmark = [pytest.mark.packaged, pytest.mark.once]
AT, PATTERN = "blocks.17.hook_resid_post", "blocks.13.attn.hook_pattern"
TWO = (
    "The film opens in Paris, and it is slow but honest. Afterwards we went home. "
    "My sister had cooked soup, and it was hot."
)


def model() -> Any:
    return packaged("bridge")


@cache
def joy() -> ts.Direction:
    reviews = ts.rotten_tomatoes()
    few = ts.ContrastSet(reviews.positive[:32], reviews.negative[:32])
    return ts.mean_difference(ts.capture(model(), few, at=AT, progress=False))[AT]


def marked(scope: Any, text: str) -> list[str]:
    """The tokens of a text that a scope marks."""
    told: list[torch.Tensor] = []

    class Listening:
        reads = reads_of(scope)

        def __call__(self, context: Context) -> torch.Tensor:
            told.append(scope(context)[0])
            return context.positions < -1

    ids = torch.tensor([model().tokenizer(text, add_special_tokens=False)["input_ids"]])
    with ts.steer(model(), ts.Add(joy(), scope=Listening())), torch.inference_mode():
        model()(ids)
    return [model().tokenizer.decode([int(ids[0, place])]) for place in told[0].nonzero()]


def test_words_of_several_tokens_and_spans() -> None:
    text = "A naïve filmstrip, an unwatchable Antonioniesque film."
    assert marked(Keywords("film"), text) == [" film"]
    for word in ("naïve", "filmstrip", "Antonioniesque", "unwatchable"):
        found = marked(Keywords(word), text)
        assert "".join(found).strip() == word
        assert marked(Keywords(word).last(), text) == found[-1:]
    assert len(marked(Keywords("Antonioniesque"), text)) > 2
    assert "".join(marked(Characters(2, 7), text)).strip() == "naïve"
    assert "".join(marked(Sentences(1), TWO)) == " Afterwards we went home."


def test_turns_of_its_own_template() -> None:
    chat = [
        {"role": "user", "content": "Was it good?"},
        {"role": "assistant", "content": "Yes, it was."},
        {"role": "user", "content": "Why?"},
    ]
    text = model().tokenizer.apply_chat_template(chat, tokenize=False)
    assert "".join(marked(role(model(), "user"), text)) == "Was it good?Why?"
    assert "".join(marked(role(model(), "assistant"), text)) == "Yes, it was."
    assert "SmolLM" in "".join(marked(role(model(), "system"), text))


def test_a_head_that_knows_what_it_is_about() -> None:
    about = AttendsTo(Keywords("film"), PATTERN, [8], above=0.3)
    found = marked(about, TWO)
    assert found.count(" it") == 1
    assert " slow" in found
    assert not {" soup", " hot", " sister", " home"} & {*found}


def test_steering_what_is_said_about_the_film() -> None:
    """The same effect where the film is spoken of, and a tenth of it elsewhere."""
    ids = model().to_tokens(TWO, prepend_bos=False)
    by_attention = AttentionShare(Keywords("film"), PATTERN, [8], factor=8.0)
    kl = {}
    with torch.inference_mode():
        plain = model()(ids)[0].log_softmax(-1)
        for name, strength in (("everywhere", 4.0), ("film", by_attention)):
            with ts.steer(model(), ts.Add(joy(), strength)):
                steered = model()(ids)[0].log_softmax(-1)
            each = (plain.exp() * (plain - steered)).sum(-1)
            kl[name] = float(each[:13].mean()), float(each[13:].mean())
    assert kl["film"][0] > 0.7 * kl["everywhere"][0]
    assert kl["film"][1] < 0.15 * kl["everywhere"][1]


def test_a_gate_fires_in_the_model_as_it_did_on_what_was_captured() -> None:
    reviews = ts.rotten_tomatoes()
    some = ts.ContrastSet(reviews.negative[32:48], reviews.positive[32:48])
    acts = ts.capture(model(), some, at=AT, progress=False)
    found = fit_threshold(acts, -joy(), false_fires=0.2)
    fires = [bool(marked(PerPrompt(found.condition), text)) for text in some.texts]
    assert sum(fires[:16]) / 16 == found.hits
    assert sum(fires[16:]) / 16 == found.false_fires <= 0.2
    assert found.hits > 0.2


def test_neither_cache_nor_batch_matter() -> None:
    prompts = ["This film is", "I saw the movie, and in the end it", "Yes"]
    scopes = (
        Keywords("the", "film", "is", "movie", "it").after(2),
        Sentences(0, of_generated=True),
        AttendsTo(Keywords("film", "movie"), PATTERN, [8], above=0.3),
        PerPrompt(ProjectionAbove(-joy(), above=-5.0)),
    )
    steering = ts.Steering(*(ts.Add(joy(), 4.0, scope=scope) for scope in scopes))
    together = greedy(model(), prompts, steering).frame
    assert together["tokens"].tolist() != generated_by_us(model(), prompts)
    for number, prompt in enumerate(prompts):
        alone = greedy(model(), prompt, steering).frame
        assert alone["tokens"][0] == together["tokens"][number]
        assert alone["log_probs"][0] == pytest.approx(together["log_probs"][number], abs=1e-3)
        with ts.steer(model(), steering):
            ids = model().to_tokens(prompt, prepend_bos=False)
            whole = model().generate(
                ids,
                max_new_tokens=4,
                do_sample=False,
                stop_at_eos=False,
                use_past_kv_cache=False,
                verbose=False,
            )
        assert whole[0, -4:].tolist() == together["tokens"][number]
