"""Long continuations by windows: every number is counted again from the tokens."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import logits_by_hand
from controls_of import JUDGE, PROMPTS, Share
from making import direction, hooks_of, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.errors import DataError, MismatchError, SteerError
from tl_steer.lens.tokens import decode
from tl_steer.robustness._drift import Drift, drift
from tl_steer.robustness._windows import stood_before, windows_of
from tl_steer.statistics import paired_difference

SAMPLING = ts.Sampling(samples=2, seed=1, stop_at_eos=False)
TOKENS, WINDOW = 20, 6


def steering(model: Any) -> ts.Steering:
    return ts.Steering(ts.Add(direction(model, "blocks.1.hook_resid_post"), 0.6))


@cache
def found(kind: str = "bridge") -> Drift:
    model = shared_model(kind, "llama")
    return drift(
        model, PROMPTS, steering(model), JUDGE, SAMPLING, tokens=TOKENS, window=WINDOW,
        seed=2, progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_cut_judged_and_scored_by_hand(kind: str) -> None:
    model, answer = shared_model(kind, "llama"), found(kind)
    texts = answer.generations.frame.set_index(["condition", "prompt_index", "sample"])
    assert len(answer.windows) == 2 * len(PROMPTS) * 2 * 3
    for _, row in answer.windows.iterrows():
        text = texts.loc[(row["condition"], row["prompt_index"], row["sample"])]
        assert len(text["tokens"]) == TOKENS
        own = slice(row["window"] * WINDOW, (row["window"] + 1) * WINDOW)
        assert row["text"] == decode(model, text["tokens"][own])
        assert row["score"] == JUDGE([row["text"]])[0]
    # The likelihood of one of them, on the plain model.
    last = answer.windows.iloc[-1]
    text = texts.loc[(last["condition"], last["prompt_index"], last["sample"])]
    whole = [*text["prompt_tokens"], *text["tokens"]]
    logs = logits_by_hand("llama", whole).log_softmax(-1)
    start = len(text["prompt_tokens"]) + last["window"] * WINDOW
    nll = -sum(float(logs[at - 1, whole[at]]) for at in range(start, start + WINDOW)) / WINDOW
    assert last["nll"] == pytest.approx(nll, rel=1e-3)


def test_steered_texts_are_those_of_generate() -> None:
    model, answer = shared_model("bridge", "llama"), found()
    sampling = ts.Sampling(TOKENS, samples=2, seed=1, stop_at_eos=False)
    alone = ts.generate(model, PROMPTS, steering(model), sampling, progress=False)
    assert answer.generations.of("steered").texts == alone.texts


def test_means_and_differences_are_those_of_the_windows() -> None:
    answer = found()
    keys = ["prompt_index", "sample"]
    for _, row in answer.frame.iterrows():
        own = answer.windows[
            (answer.windows["condition"] == row["condition"])
            & (answer.windows["window"] == row["window"])
        ]
        assert row["texts"] == len(own) == len(PROMPTS) * 2
        assert row["score"] == pytest.approx(own["score"].mean())
        assert row["repetition"] == pytest.approx(own["repetition"].mean())
        assert row["perplexity"] == pytest.approx(math.exp(own["nll"].mean()))
        for name in ("score", "repetition", "perplexity"):
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
        assert (row["start"], row["stop"]) == (row["window"] * 6, row["window"] * 6 + 6)
    for _, row in answer.effects.iterrows():
        own = answer.windows[answer.windows["window"] == row["window"]]
        sides = {name: part.set_index(keys) for name, part in own.groupby("condition")}
        one, other = sides["unsteered"], sides["steered"]
        by_hand = paired_difference(
            other["score"].to_numpy(), one["score"].to_numpy(),
            other.index.get_level_values(0).to_numpy(), seed=2,
        )  # fmt: skip
        assert (row["effect"], row["effect_low"], row["effect_high"]) == pytest.approx(
            (by_hand.estimate, by_hand.low, by_hand.high)
        )
        change = other["repetition"].mean() - one["repetition"].mean()
        assert row["repetition"] == pytest.approx(change)
        ratio = math.exp(other["nll"].mean() - one["nll"].mean())
        assert row["perplexity_ratio"] == pytest.approx(ratio)
    first, *_, last = answer.effects["effect"]
    assert answer.faded.estimate == pytest.approx(last - first)


def test_what_stood_before_is_counted_as_by_eye() -> None:
    assert stood_before([1, 2, 3, 4, 5, 6]) == [0.0] * 6
    assert stood_before([1, 2, 3, 4, 1, 2, 3, 4]) == [0, 0, 0, 0, 0, 0, 0, 1]
    assert stood_before([7] * 7) == [0, 0, 0, 0, 1, 1, 1]
    assert stood_before([1, 2]) == [0, 0]
    random = np.random.default_rng(0)
    for _ in range(20):
        tokens = random.integers(0, 3, size=30).tolist()
        grams = [tuple(tokens[i - 3 : i + 1]) for i in range(3, 30)]
        expected = [gram in grams[:number] for number, gram in enumerate(grams)]
        assert stood_before(tokens)[3:] == expected


def test_texts_that_end_early_have_no_later_windows() -> None:
    model = shared_model("bridge", "llama")
    sampling = ts.Sampling(samples=4, seed=1)
    answer = drift(
        model, PROMPTS, steering(model), JUDGE, sampling, tokens=24, window=6, progress=False
    )
    lengths = answer.generations.frame["tokens"].map(len)
    assert lengths.min() < 24
    assert len(answer.windows) == int((lengths // 6).sum())
    both = answer.generations.frame.assign(windows=lengths // 6).pivot(
        index=["prompt_index", "sample"], columns="condition", values="windows"
    )
    for _, row in answer.effects.iterrows():
        assert row["texts"] == (both.min(axis=1) > row["window"]).sum()


def test_one_window_fades_into_nothing() -> None:
    model = shared_model("bridge", "llama")
    answer = drift(
        model, PROMPTS[:2], steering(model), JUDGE, SAMPLING, tokens=5, window=5, progress=False
    )
    assert len(answer.effects) == 1
    assert math.isnan(answer.faded.estimate)


def test_to_read_and_to_look_at() -> None:
    answer = found()
    assert repr(answer).startswith(f"Drift({JUDGE.name} by window: ")
    assert "<table" in answer._repr_html_()
    panels = answer.plot().axes
    assert len(panels) == 3
    for axes, column in zip(panels, ("score", "repetition", "perplexity"), strict=True):
        lines = {str(line.get_label()): line for line in axes.get_lines()}
        own = answer.frame[answer.frame["condition"] == "steered"]
        assert lines["steered"].get_ydata().tolist() == own[column].tolist()
        assert lines["steered"].get_xdata().tolist() == [3, 9, 15]


def test_nothing_stays(model: Any) -> None:
    before = hooks_of(model)
    drift(
        model, PROMPTS[:2], steering(model), JUDGE, ts.Sampling(stop_at_eos=False), tokens=2,
        window=1, progress=False,
    )  # fmt: skip
    assert hooks_of(model) == before


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"window": 0}, SteerError, "window=0.: expected a whole number of at least 1"),
        ({"window": 21}, SteerError, "window=21, tokens=20"),
        ({"prompts": []}, DataError, "no prompt"),
        ({"prompts": "the film"}, DataError, "expected a list of texts"),
        ({"tokens": 64}, DataError, "64 are to follow"),
        ({"steering": "another"}, MismatchError, "another model"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")
    asked = {"prompts": PROMPTS, "steering": steering(model), "tokens": 20, "window": 6, **changes}
    if asked["steering"] == "another":
        asked["steering"] = steering(shared_model("bridge", "gpt2"))

    def runs(acts: torch.Tensor, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        drift(model, judge=JUDGE, sampling=SAMPLING, **asked, progress=False)


class Short(Share):
    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [0.0]


def test_a_judge_that_scores_too_few_is_refused() -> None:
    model = shared_model("bridge", "llama")
    with pytest.raises(DataError, match="gave 1 scores for 8 texts"):
        drift(
            model, PROMPTS[:2], steering(model), Short("it"), SAMPLING, tokens=2, window=2,
            progress=False,
        )  # fmt: skip


def test_texts_that_all_end_before_a_window_is_full_are_said() -> None:
    with pytest.raises(DataError, match="window of 21 tokens; the longest has 20"):
        windows_of(
            shared_model("bridge", "llama"),
            found().generations,
            21,
            max_tokens=None,
            progress=False,
        )
