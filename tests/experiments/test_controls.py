"""A direction against its controls: every number is that of a run of its own."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from controls_of import (
    INSTRUCTION,
    JUDGE,
    PROMPTS,
    REVIEWS,
    SAMPLING,
    SITE,
    Share,
    activations,
    controlled,
    found,
    model_of,
)
from making import direction, hooks_of
from models import KINDS, has_hooked

import tl_steer as ts
from tl_steer.controls import orthogonal_directions, shuffled_directions
from tl_steer.demo.planted import planted
from tl_steer.demo.planted_words import PRAISE
from tl_steer.directions import Provenance
from tl_steer.dosing import mean_kl
from tl_steer.experiments import Controls, Run
from tl_steer.experiments._controls import against_controls
from tl_steer.lens.protocol import model_info
from tl_steer.statistics import paired_difference


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_that_of_a_run_of_its_own(kind: str) -> None:
    model, answer = model_of(kind), found(kind)
    kinds = answer.frame["kind"].value_counts().to_dict()
    assert kinds == {
        "direction": 1, "random": 4, "shuffled": 4, "orthogonal": 2, "instruction": 1, "none": 1
    }  # fmt: skip
    by_name = answer.frame.set_index("name")
    none = np.mean(JUDGE(ts.generate(model, PROMPTS, None, SAMPLING, progress=False).texts))
    for name, row in by_name.iterrows():
        add = None
        if name in answer.directions:
            add = ts.Steering(ts.Add(answer.directions[str(name)], row["strength"]))
            assert mean_kl(model, PROMPTS, add) == pytest.approx(row["kl"], rel=1e-3)
            assert row["dose"] == pytest.approx(add.active[0].dose)
        before = INSTRUCTION if name == "instruction" else ""
        alone = ts.generate(model, [before + p for p in PROMPTS], add, SAMPLING, progress=False)
        assert alone.texts == answer.generations.of(str(name)).texts
        assert row["judge"] == pytest.approx(np.mean(JUDGE(alone.texts)))
        assert row["effect"] == pytest.approx(row["judge"] - none)
        if not before:
            (own,) = ts.metrics.perplexity(model, alone).values()
            assert row["perplexity"] == pytest.approx(own, rel=1e-3)
    assert by_name.loc["none", ["strength", "dose", "kl", "effect"]].tolist() == [0, 0, 0, 0]
    # Of the prompt alone, so that it can be compared.
    told = answer.generations.of("instruction").frame
    plain = answer.generations.of("none").frame
    assert told["prompt_tokens"].tolist() == plain["prompt_tokens"].tolist()
    assert told["prompt"].tolist() == plain["prompt"].tolist()
    assert by_name.loc["instruction", "kl"] > 0.001


@pytest.mark.parametrize("kind", KINDS)
def test_all_vectors_have_one_kl_one_norm_and_one_place(kind: str) -> None:
    answer = found(kind)
    added = answer.frame[answer.frame["name"].isin(list(answer.directions))]
    assert added["kl"].between(0.98 * 0.1, 0.1).all()
    assert answer.unmatched == []
    assert added["strength"].nunique() == len(added) == 11
    given = answer.directions["direction"]
    for name, one in answer.directions.items():
        assert one.norm == pytest.approx(given.norm, rel=1e-5)
        assert one.hook_name == SITE
        if name.startswith("orthogonal"):
            assert one.cosine(given) == pytest.approx(0, abs=1e-6)
    pairs = torch.stack([one.unit.vector for one in answer.directions.values()])
    cosines = (pairs @ pairs.T).fill_diagonal_(0)
    assert float(cosines.abs().max()) < 0.999


def test_comparisons_are_those_of_the_texts() -> None:
    answer = found()
    texts = answer.generations.frame
    scores = texts.set_index(["condition", "prompt_index", "sample"])["score"].unstack(0)
    for kind, row in answer.comparisons.iterrows():
        own = answer.frame.loc[answer.frame["kind"] == kind]
        theirs = scores[list(own["name"])].mean(axis=1)
        prompt = scores.index.get_level_values("prompt_index").to_numpy()
        by_hand = paired_difference(
            scores["direction"].to_numpy(), theirs.to_numpy(), prompt, seed=5
        )
        assert (row["difference"], row["low"], row["high"]) == pytest.approx(
            (by_hand.estimate, by_hand.low, by_hand.high)
        )
        assert row["controls"] == len(own)
        if kind in ("random", "shuffled"):
            spread = own["effect"].std()
            sigma = (answer.effect.estimate - own["effect"].mean()) / spread
            assert row["sigma"] == pytest.approx(sigma)
            above = (own["effect"] >= answer.effect.estimate).sum()
            assert row["p_value"] == pytest.approx((1 + above) / 5)
            assert row["p_value"] <= row["p_holm"] <= 2 * row["p_value"]
        else:
            assert math.isnan(row["sigma"])
            assert math.isnan(row["p_holm"])
    assert answer.sigma == answer.comparisons.loc["random", "sigma"]
    assert answer.p_value == answer.comparisons.loc["random", "p_value"]
    by_name = answer.frame.set_index("name")
    assert answer.effect.estimate == pytest.approx(by_name.loc["direction", "effect"])


def test_shuffled_directions_by_hand() -> None:
    acts, given = activations("bridge"), direction(model_of("bridge"), SITE)
    n = len(REVIEWS.positive)
    gaps = (acts[SITE][:n] - acts[SITE][n:]).double()
    possible = [
        (torch.tensor([1 - 2 * (number >> bit & 1) for bit in range(n)])[:, None] * gaps).mean(0)
        for number in range(2**n)
    ]
    made = shuffled_directions(given, acts, 12, seed=1)
    for one in made:
        nearest = max(
            float(torch.nn.functional.cosine_similarity(one.vector.double(), v, dim=0))
            for v in possible
        )
        assert nearest == pytest.approx(1, abs=1e-6)
    assert len({tuple(one.vector.tolist()) for one in made}) > 4
    again = shuffled_directions(given, acts, 12, seed=1)
    assert all(torch.equal(a.vector, b.vector) for a, b in zip(made, again, strict=True))


def test_one_dose_for_all_in_place_of_one_kl() -> None:
    answer = controlled(dose=0.2, n_orthogonal=1)
    added = answer.frame[answer.frame["kind"] != "none"]
    assert added["dose"].tolist() == pytest.approx([0.2] * 4)
    assert added["kl"].nunique() == 4
    assert answer.kl is None
    assert answer.unmatched == []
    assert "equal dose" in repr(answer)


def test_a_scope_is_kept_and_nothing_else_stays() -> None:
    before = hooks_of(model_of("bridge"))
    answer = controlled(kl=0.05, scope=ts.last_prompt_token)
    assert hooks_of(model_of("bridge")) == before
    strength = float(answer.frame["strength"].iloc[0])
    along = answer.directions["direction"]
    steering = ts.Steering(ts.Add(along, strength, scope=ts.last_prompt_token))
    assert mean_kl(model_of("bridge"), PROMPTS, steering) == pytest.approx(0.05, rel=0.03)
    alone = ts.generate(
        model_of("bridge"), PROMPTS, steering, ts.Sampling(max_new_tokens=2), progress=False
    )
    assert alone.texts == answer.generations.of("direction").texts


@pytest.mark.parametrize("kind", ["bridge", *(["hooked"] if has_hooked() else [])])
def test_the_planted_truth_is_far_above_its_controls(kind: Any) -> None:
    one = planted(0, kind=kind)
    acts = ts.capture(one.model, one.texts(32, seed=1), at=one.hook_name, progress=False)
    truth = ts.Direction(
        one.truth, one.hook_name, acts.norms[one.hook_name], Provenance(model_info(one.model), "t")
    )
    answer = against_controls(
        one.model,
        one.neutral(6, seed=2),
        truth,
        Share(PRAISE),
        ts.Sampling(max_new_tokens=4, samples=2),
        Controls(kl=0.2, n_random=30),
        run=Run(progress=False),
    )
    assert answer.sigma > 5
    assert answer.p_value == pytest.approx(1 / 31)
    assert answer.effect.low > 0
    assert answer.comparisons.loc["orthogonal", "low"] > 0
    # And turned round it is not.
    away = against_controls(
        one.model,
        one.neutral(6, seed=2),
        -truth,
        Share(PRAISE),
        ts.Sampling(max_new_tokens=4, samples=2),
        Controls(n_random=5),
        run=Run(progress=False),
    )
    assert away.effect.estimate <= 0
    assert away.p_value == 1


def test_to_read_and_to_look_at() -> None:
    answer = found()
    assert repr(answer).startswith(f"ControlsResult(share of good {answer.effect} at KL 0.1")
    assert "above 4 random: " in repr(answer)
    assert "did not reach" not in repr(answer)
    assert "<table" in answer._repr_html_()
    (axes,) = answer.plot().axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"random (4)", "shuffled (4)", "the direction", "no steering"} <= set(labels)
    (line,) = [each for each in axes.get_lines() if each.get_label() == "the direction"]
    assert line.get_xdata()[0] == pytest.approx(answer.effect.estimate)
    marks = {str(each.get_label()): each for each in axes.get_lines()}
    assert len(marks["orthogonal"].get_xdata()) == 2


def test_a_judge_that_says_the_same_of_everything() -> None:
    class Constant(Share):
        def __call__(self, texts: Sequence[str]) -> list[float]:
            return [0.5] * len(texts)

    answer = controlled(judge=Constant("it"), kl=0.05)
    assert answer.effect.estimate == 0
    assert math.isnan(answer.sigma)
    assert answer.p_value == 1
    assert len(answer.plot().axes) == 1


def test_orthogonal_parts_have_the_norm_and_differ() -> None:
    given = direction(model_of("bridge"), SITE)
    made = orthogonal_directions(given, 3, seed=2)
    assert [one.norm for one in made] == pytest.approx([given.norm] * 3)
    assert abs(made[0].cosine(made[1])) < 0.9
