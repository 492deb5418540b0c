"""Directions added elsewhere: every number is that of a run of its own."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import logits_by_hand
from controls_of import JUDGE, PROMPTS, REVIEWS
from flips_by_hand import token
from making import architecture_of, direction, hooks_of, shared_model

import tl_steer as ts
from tl_steer.directions import Directions
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.tokens import tokenize
from tl_steer.robustness._across_layers import AcrossLayers, across_layers
from tl_steer.statistics import paired_difference

NAMES = [f"blocks.{layer}.hook_resid_post" for layer in range(3)]
METRIC = ts.causal.LogitDifference("good", "bad")


@cache
def directions(model: Any) -> Directions:
    acts = ts.capture(model, REVIEWS, at=NAMES, progress=False)
    return ts.mean_difference(acts)


def found(model: Any, **changes: Any) -> AcrossLayers:
    asked = {
        "directions": directions(model),
        "prompts": PROMPTS,
        "measure": METRIC,
        "dose": 0.3,
        "progress": False,
    }
    return across_layers(model, **{**asked, **changes})


def gaps_by_hand(model: Any, vector: torch.Tensor | None, at: str = "") -> list[float]:
    gaps = []
    for row in tokenize(model, list(PROMPTS)):
        additions = [] if vector is None else [(at, vector, (0, None))]
        logits = logits_by_hand(architecture_of(model), row, additions)[-1]
        gaps.append(float(logits[token(model, "good")] - logits[token(model, "bad")]))
    return gaps


def test_every_pair_is_an_addition_by_hand(model: Any) -> None:
    answer, several = found(model), directions(model)
    assert len(answer.frame) == 9
    base = np.array(gaps_by_hand(model, None))
    for _, row in answer.frame.iterrows():
        own, there = several[row["read_at"]], several[row["added_at"]]
        # One relative dose where it is added, whatever it was where it was read.
        added = 0.3 * there.scale * own.unit.vector
        moved = np.array(gaps_by_hand(model, added, row["added_at"]))
        assert row["effect"] == pytest.approx((moved - base).mean(), abs=2e-3)
        by_hand = paired_difference(moved, base, np.arange(len(PROMPTS)))
        assert (row["low"], row["high"]) == pytest.approx((by_hand.low, by_hand.high), abs=5e-3)
        assert row["strength"] * own.norm == pytest.approx(0.3 * there.scale)
        assert row["cosine"] == pytest.approx(own.cosine(there))
        assert (row["read_layer"], row["added_layer"]) == (own.layer, there.layer)
        same = answer.frame[
            (answer.frame["read_at"] == row["added_at"])
            & (answer.frame["added_at"] == row["added_at"])
        ]
        assert row["share_of_own"] == pytest.approx(row["effect"] / same["effect"].item())


def test_a_judge_reads_texts_of_the_same_random_numbers() -> None:
    model, sampling = shared_model("bridge", "llama"), ts.Sampling(4, samples=2, seed=1)
    answer = found(model, measure=JUDGE, sampling=sampling, added_at=NAMES[1:2])
    assert answer.frame["added_at"].unique().tolist() == NAMES[1:2]
    assert len(answer.frame) == 3
    plain = ts.generate(model, PROMPTS, None, sampling, progress=False)
    for _, row in answer.frame.iterrows():
        add = ts.Add(directions(model)[row["read_at"]], row["strength"], at=NAMES[1])
        alone = ts.generate(model, PROMPTS, ts.Steering(add), sampling, progress=False)
        expected = paired_difference(
            np.array(JUDGE(alone.texts)),
            np.array(JUDGE(plain.texts)),
            plain.frame["prompt_index"].to_numpy(),
        )
        assert (row["effect"], row["low"], row["high"]) == pytest.approx(
            (expected.estimate, expected.low, expected.high)
        )


def test_continuations_and_scopes_are_kept() -> None:
    model = shared_model("bridge", "gpt2")
    metric = ts.causal.LogProbability("good music")
    everywhere = found(model, measure=metric).frame["effect"]
    generated = found(model, measure=metric, scope=ts.generated).frame["effect"]
    prompt = found(model, measure=metric, scope=ts.prompt).frame["effect"]
    assert generated.abs().min() > 0
    assert not np.allclose(generated, everywhere)
    assert not np.allclose(prompt, everywhere)
    # The first token after the prompt does not hear of what is added to generated ones.
    none = found(model, measure=METRIC, scope=ts.generated).frame
    assert none["effect"].abs().max() == 0
    assert none["share_of_own"].isna().all()


def test_turned_round_and_to_look_at() -> None:
    model = shared_model("bridge", "llama")
    answer, away = found(model, dose=0.01), found(model, dose=-0.01)
    # Small doses act in proportion.
    assert away.frame["effect"].tolist() == pytest.approx(
        (-answer.frame["effect"]).tolist(), rel=0.3, abs=2e-3
    )
    assert repr(answer).startswith("AcrossLayers(3 directions where they were read: mean effect ")
    assert "<table" in answer._repr_html_()
    for value in ("effect", "cosine", "share_of_own"):
        axes = answer.plot(value).axes[0]
        (image,) = axes.collections
        table = image.get_array()
        row = answer.frame[
            (answer.frame["read_at"] == NAMES[2]) & (answer.frame["added_at"] == NAMES[0])
        ]
        assert table[0, 2] == pytest.approx(row[value].item())
        assert [each.get_text() for each in axes.get_xticklabels()] == ["0", "1", "2"]
    with pytest.raises(DataError, match="effect, cosine or share_of_own"):
        answer.plot("strength")


def test_nothing_stays(model: Any) -> None:
    before = hooks_of(model)
    found(model, added_at=NAMES[:1])
    assert hooks_of(model) == before


def mixed(model: Any) -> Directions:
    return Directions({name: direction(model, name) for name in (NAMES[0], "blocks.1.attn.hook_z")})


def with_zero(model: Any) -> Directions:
    return Directions({NAMES[0]: 0 * direction(model, NAMES[0])})


def of_another(model: Any) -> Directions:
    return Directions({NAMES[0]: direction(shared_model("bridge", "gpt2"), NAMES[0])})


def none(model: Any) -> Directions:
    return Directions({})


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"directions": mixed}, MismatchError, "hook points of one kind"),
        ({"directions": with_zero}, NonFiniteError, "no relative dose"),
        ({"directions": of_another}, MismatchError, "another model"),
        ({"directions": none}, DataError, "0 directions, 0 hook points and 4 prompts"),
        ({"prompts": []}, DataError, "and 0 prompts"),
        ({"prompts": "the film"}, DataError, "expected a list of texts"),
        ({"dose": 0.0}, SteerError, "dose=0.0"),
        ({"dose": math.nan}, SteerError, "dose=nan"),
        ({"added_at": ["blocks.3.hook_resid_post"]}, HookNameError, "no direction was read there"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")
    directions(model)
    asked = {name: value(model) if callable(value) else value for name, value in changes.items()}

    def runs(acts: torch.Tensor, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        found(model, **asked)
