"""Generation: the same numbers for every condition, whatever the batches, and nothing hidden."""

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from making import (
    SITES,
    TEXTS,
    as_users_run_it,
    direction,
    everywhere_at_once,
    few,
    generated_by_model,
    generated_by_us,
    greedy,
    hooks_of,
    own_model,
    rows_of,
)
from models import KINDS, WORDS, tokenizer

import tl_steer as ts
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.generation import _continuing as continuing
from tl_steer.lens import tokens
from tl_steer.lens.forward import run_logits

SAMPLED = ts.Sampling(4, samples=2, temperature=0.9, top_p=0.95, seed=5, stop_at_eos=False)


def frame_of(model: Any, steering: Any = None, sampling: Any = SAMPLED, **settings: Any) -> Any:
    return ts.generate(model, TEXTS, steering, sampling, progress=False, **settings).frame


@pytest.mark.parametrize("prepend_bos", [True, False])
def test_greedy_is_the_models_own(model: Any, prepend_bos: bool) -> None:
    expected = generated_by_model(model, steps=6, prepend_bos=prepend_bos)
    assert generated_by_us(model, steps=6, prepend_bos=prepend_bos) == expected


@few
@given(max_tokens=st.integers(1, 200), site=st.sampled_from(SITES))
def test_batches_change_nothing(model: Any, max_tokens: int, site: str) -> None:
    steering = ts.Steering(ts.Add(direction(model, site), [1.0, -1.0, 0.5], scope=ts.generated))
    whole = frame_of(model, steering, max_tokens=10**6)
    parts = frame_of(model, steering, max_tokens=max_tokens)
    pd.testing.assert_frame_equal(parts.drop(columns="log_probs"), whole.drop(columns="log_probs"))
    torch.testing.assert_close(
        torch.tensor(parts["log_probs"].tolist()),
        torch.tensor(whole["log_probs"].tolist()),
        atol=1e-4,
        rtol=0,
    )


def test_memory_running_out_changes_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame_of(model)
    write, sizes = continuing.Writer.write, []

    def out_of_memory(self: Any, index: list[int]) -> Any:
        sizes.append(len(index))
        if len(index) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return write(self, index)

    monkeypatch.setattr(continuing.Writer, "write", out_of_memory)
    found = frame_of(model, max_tokens=10**6)
    assert sizes == [6, 3, 1, 2, 3, 1, 2]
    assert found["tokens"].tolist() == whole["tokens"].tolist()


def test_conditions_share_their_random_numbers(model: Any) -> None:
    zero, other = everywhere_at_once(model, strength=0.0), everywhere_at_once(model)
    conditions = {"none": None, "zero": zero, "other": other}
    found = ts.compare(model, TEXTS, conditions, SAMPLED, progress=False)
    assert found.conditions == ["none", "zero", "other"]
    assert found.of("zero").texts == found.of("none").texts != found.of("other").texts
    assert found.of("other").texts == list(frame_of(model, other)["text"])
    assert found.of("none").texts == list(frame_of(model)["text"])
    by_default = ts.compare(model, TEXTS, other, SAMPLED, progress=False)
    assert by_default.conditions == ["unsteered", "steered"]
    assert by_default.texts == found.of("none").texts + found.of("other").texts


def test_seeds(model: Any) -> None:
    again, another = ts.Sampling(8, seed=1), ts.Sampling(8, seed=2)
    first = frame_of(model, sampling=again)["tokens"].tolist()
    assert first == frame_of(model, sampling=again)["tokens"].tolist()
    assert first != frame_of(model, sampling=another)["tokens"].tolist()


def test_global_random_numbers_are_left_alone(model: Any) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    others = (random.getstate(), np.random.get_state()[1].tolist())
    with as_users_run_it():
        frame_of(model, everywhere_at_once(model))
    assert torch.equal(torch.get_rng_state(), before)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == others


@pytest.mark.parametrize("scope", [None, ts.generated, ts.Positions(-2)])
def test_log_probs_are_those_of_one_pass(model: Any, scope: Any) -> None:
    steering = None if scope is None else everywhere_at_once(model, scope)
    for record in frame_of(model, steering).to_dict("records"):
        row = (*record["prompt_tokens"], *record["tokens"])
        batch, start = tokens.pad([row], side="left", pad_id=0), len(record["prompt_tokens"])
        lengths = torch.tensor([start])
        with ts.steer(model, steering or ts.Steering(), prompt_lengths=lengths), torch.no_grad():
            logits = run_logits(model, batch)[0, start - 1 : -1]
        expected = logits.log_softmax(-1)[range(len(record["tokens"])), record["tokens"]]
        torch.testing.assert_close(torch.tensor(record["log_probs"]), expected, atol=1e-4, rtol=0)


def test_the_frame(model: Any) -> None:
    frame = frame_of(model)
    assert frame["prompt_index"].tolist() == [0, 0, 1, 1, 2, 2]
    assert frame["sample"].tolist() == [0, 1] * 3
    assert frame["prompt"].tolist() == [text for text in TEXTS for _ in range(2)]
    assert frame["prompt_tokens"].tolist() == [list(r) for r in rows_of(model) for _ in range(2)]
    assert set(frame["condition"]) == {"unsteered"}
    assert not frame["finished"].any()
    for text, ids in zip(frame["text"], frame["tokens"], strict=True):
        assert len(ids) == 4
        assert text == tokens.decode(model, ids)
    one = ts.generate(model, TEXTS[0], sampling=SAMPLED, progress=False)
    assert one.texts == frame["text"].tolist()[:2], "one prompt may come as it is"
    assert len(one.side_by_side()) == 2


def test_samples_with_settings_for_each(model: Any) -> None:
    shift = direction(model, SITES[2])
    for_prompts = ts.Steering(ts.Add(shift, [2.0, -2.0, 1.0]))
    for_samples = ts.Steering(ts.Add(shift, [2.0, 2.0, -2.0, -2.0, 1.0, 1.0]))
    found = frame_of(model, for_prompts)
    assert found["text"].tolist() == frame_of(model, for_samples)["text"].tolist()
    for number, strength in enumerate([2.0, -2.0, 1.0]):
        alone = frame_of(model, ts.Steering(ts.Add(shift, strength)))
        same = slice(2 * number, 2 * number + 2)
        assert alone["text"].tolist()[same] == found["text"].tolist()[same]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_ends_at_its_end(kind: str) -> None:
    model = own_model(kind)
    free = greedy(model, steps=6).frame["tokens"].tolist()
    model.tokenizer = tokenizer()
    # What the first prompt is about to say third shall be the end of a text.
    end = free[0][2]
    model.tokenizer.eos_token = [*["<pad>", "<bos>", "<unk>"], *WORDS][end]
    assert model.tokenizer.eos_token_id == end
    sampling = ts.Sampling(6, temperature=0.0)
    frame = ts.generate(model, TEXTS, None, sampling, progress=False).frame
    for found, whole in zip(frame.to_dict("records"), free, strict=True):
        ends = [n for n, token in enumerate(whole) if token in (end, 0)]
        length = ends[0] + 1 if ends else 6
        assert found["finished"] == bool(ends)
        assert found["tokens"] == whole[:length]
        assert len(found["log_probs"]) == length
    assert frame["finished"][0]
    assert len(frame["tokens"][0]) <= 3
    assert model.tokenizer.eos_token not in frame["text"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_chat(kind: str) -> None:
    model = own_model(kind)
    model.tokenizer = tokenizer()
    model.tokenizer.chat_template = (
        "{% for turn in messages %}you {{ turn['content'] }} {% endfor %}i"
    )
    sampling = ts.Sampling(3, temperature=0.0)
    found = ts.generate(
        model, ["bad film", "so"], None, sampling, chat=ts.Chat(), progress=False
    ).frame
    expected = ts.generate(
        model, ["you bad film i", "you so i"], None, sampling, progress=False
    ).frame
    assert found["tokens"].tolist() == expected["tokens"].tolist()
    assert found["prompt_tokens"].tolist() == expected["prompt_tokens"].tolist()
    assert found["prompt"].tolist() == ["bad film", "so"]


def test_prompts_that_leave_no_room(model: Any) -> None:
    sampling = ts.Sampling(5, temperature=0.0)
    long = "film " * 59
    assert len(ts.generate(model, long, None, sampling, progress=False)) == 1
    before = hooks_of(model)
    steering = everywhere_at_once(model)
    with pytest.raises(DataError, match="60 tokens and 5 are to follow"):
        ts.generate(model, [long, long + "film"], steering, sampling, progress=False)
    assert hooks_of(model) == before


def test_nothing_to_do(model: Any) -> None:
    with pytest.raises(DataError, match="there is no prompt to continue"):
        ts.generate(model, [], progress=False)
    with pytest.raises(DataError, match="text 0 has no token"):
        ts.generate(model, "", progress=False)
    with pytest.raises(DataError, match="no condition came"):
        ts.compare(model, TEXTS, {}, progress=False)
    with pytest.raises(DataError, match="'glad': there are unsteered"):
        ts.generate(model, TEXTS, None, SAMPLED, progress=False).of("glad")


def test_every_condition_is_checked_before_the_first_runs(model: Any) -> None:
    ran = []
    stranger = ts.Steering(ts.Add(direction(model, SITES[0]), [1.0, 2.0]))
    with (
        model.hooks(fwd_hooks=[(SITES[0], lambda acts, hook: ran.append(acts))]),
        pytest.raises(MismatchError, match="settings for 2 rows came with 3 prompts of 2 samples"),
    ):
        ts.compare(model, TEXTS, {"a": None, "b": stranger}, SAMPLED, progress=False)
    assert ran == []


@pytest.mark.parametrize("site", ["attn.hook_z", "hook_mlp_out", "hook_resid_post"])
def test_logits_that_are_no_numbers(model: Any, site: str) -> None:
    """Each addition is finite, and what they come to together is not."""
    name = f"blocks.1.{site}"
    shift = direction(model, name)
    huge = ts.Add(shift, 3e38 / float(shift.vector.abs().max()), scope=ts.generated)
    steering = ts.Steering(huge, huge)
    before = hooks_of(model)
    with pytest.raises(NonFiniteError) as refused:
        ts.compare(model, TEXTS, {"none": None, "too much": steering}, SAMPLED, progress=False)
    for part in (name, "too much", "the logits of token 1 after", repr(TEXTS[2]), "Lower the"):
        assert part in str(refused.value)
    assert hooks_of(model) == before


def test_a_model_that_is_broken_by_itself(model: Any) -> None:
    broken = (SITES[2], lambda acts, hook: acts * float("nan"))
    with (
        model.hooks(fwd_hooks=[broken]),
        pytest.raises(NonFiniteError, match="Nothing of tl_steer acts"),
    ):
        frame_of(model)


def test_hooks_of_the_user_act_as_always(model: Any) -> None:
    shift = direction(model, SITES[2])
    expected = frame_of(model, ts.Steering(ts.Add(shift, 2.0)))
    own = (SITES[2], lambda acts, hook: acts + 2.0 * shift.vector)
    with model.hooks(fwd_hooks=[own]):
        assert frame_of(model)["tokens"].tolist() == expected["tokens"].tolist()


def test_what_comes_back_can_be_read(model: Any) -> None:
    found = ts.compare(model, TEXTS, everywhere_at_once(model), SAMPLED, progress=False)
    wide = found.side_by_side()
    assert list(wide) == ["prompt", "unsteered", "steered"]
    assert wide["steered"].tolist() == found.of("steered").texts
    assert wide["prompt"].tolist() == [text for text in TEXTS for _ in range(2)]
    assert "12 texts; unsteered, steered" in repr(found)
    page = found._repr_html_()
    assert page.count("<tr") >= 7
    assert isinstance(found, ts.Generations)
    assert issubclass(NonFiniteError, SteerError)
