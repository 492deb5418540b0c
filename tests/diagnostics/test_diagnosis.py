"""Verdicts: good directions pass, those that know nothing do not, and the reasons say why."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes
from hypothesis import given, settings, strategies as st
from models import KINDS, WORDS, hf_llama, tokenizer

import tl_steer as ts
from tl_steer.diagnostics._chance import chance_d_prime
from tl_steer.diagnostics._diagnosis import Diagnosis, diagnose
from tl_steer.diagnostics._verdict import Decision, Evidence, Thresholds, verdict
from tl_steer.directions import whitened_mean_difference
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, HookNameError, MismatchError
from tl_steer.lens.loading import wrap

SEEDS = range(6)
GAPS = [0.0, 0.3, 1.0, 3.0]
each_gap = pytest.mark.parametrize("gap", GAPS)


def train_and_held_out(
    gap: float, seed: int = 0, *, n: int = 80, m: int = 80
) -> tuple[ts.Activations, ts.Activations]:
    positive, negative = two_classes(64, n=n + m, m=n + m, gap=gap, seed=seed)
    train = activations_of(positive[:n], negative[:n])
    return train, activations_of(positive[n:], negative[n:])


def shuffled(acts: ts.Activations, seed: int) -> ts.Activations:
    n = len(acts.positive(AT))
    order = torch.randperm(2 * n, generator=torch.Generator().manual_seed(seed))
    return activations_of(acts[AT][order][:n], acts[AT][order][n:])


def decide(
    train: ts.Activations,
    held_out: ts.Activations,
    estimator: Callable[[ts.Activations], ts.Directions] = ts.mean_difference,
) -> Decision:
    found = diagnose(
        train, held_out, estimator(train), estimator=estimator, splits=10, resamples=200
    )
    return found[AT].decision


@pytest.mark.parametrize("estimator", [ts.mean_difference, whitened_mean_difference])
@pytest.mark.parametrize("gap", [0.5, 1.0, 3.0])
def test_good_directions_are_to_be_used(
    gap: float, estimator: Callable[[ts.Activations], ts.Directions]
) -> None:
    for seed in SEEDS:
        assert decide(*train_and_held_out(gap, seed), estimator) is Decision.USE


@each_gap
def test_shuffled_labels_are_not(gap: float) -> None:
    for seed in SEEDS:
        train, held_out = train_and_held_out(gap, seed)
        assert decide(shuffled(train, seed), held_out) is Decision.DO_NOT_USE


@each_gap
def test_nor_is_a_random_direction(gap: float) -> None:
    for seed in SEEDS:
        train, held_out = train_and_held_out(gap, seed)
        random = ts.Directions({AT: ts.mean_difference(train)[AT].random_like(seed)})
        found = diagnose(train, held_out, random, resamples=200)
        assert found[AT].decision is Decision.DO_NOT_USE


def test_nor_one_that_points_the_wrong_way() -> None:
    train, held_out = train_and_held_out(1.0)
    back = ts.Directions({AT: -ts.mean_difference(train)[AT]})
    found = diagnose(train, held_out, back)[AT]
    assert found.decision is Decision.DO_NOT_USE
    assert "wrong way" in found.reasons[0]


def test_nor_where_there_is_nothing() -> None:
    for seed in SEEDS:
        assert decide(*train_and_held_out(0.0, seed)) is Decision.DO_NOT_USE


def test_better_directions_have_higher_scores() -> None:
    scores = []
    for gap in (0.0, 0.3, 0.6, 1.0):
        train, held_out = train_and_held_out(gap)
        found = diagnose(train, held_out, ts.mean_difference(train), estimator=ts.mean_difference)
        scores.append(found[AT].score)
    assert scores == sorted(scores)
    assert scores[-1] > 0.9
    assert scores[0] < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_direction_is_to_be_used_and_no_other(kind: str) -> None:
    """In the embedding of some words; capture, estimate and diagnose as a user would."""
    plain, good, bad = hf_llama(), WORDS[7:9], WORDS[11:13]
    truth = torch.randn(32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                weight *= 0.05  # so that what was planted is still there after some blocks
        for word in good:
            plain.get_input_embeddings().weight[WORDS.index(word) + 3] += truth
    model = wrap(
        plain, tokenizer(), name="planted", device="cpu",
        kind="hooked" if kind == "hooked" else "bridge",
    )  # fmt: skip
    random = np.random.default_rng(0)
    neutral = [word for word in WORDS if word not in (*good, *bad)]
    sides = [
        [" ".join([*random.choice(neutral, 6), random.choice(words), "film"]) for _ in range(80)]
        for words in (good, bad)
    ]
    halves = ts.ContrastSet(*sides).split({"train": 0.5, "held-out": 0.5})
    at = ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_post"]
    train, held_out = (ts.capture(model, half, at=at, progress=False) for half in halves.values())
    found = diagnose(train, held_out, ts.mean_difference(train), estimator=ts.mean_difference)
    assert [each.decision for each in found.verdicts.values()] == [Decision.USE] * 2
    mixed = ts.capture(model, halves["train"].shuffled_labels(), at=at, progress=False)
    none = diagnose(mixed, held_out, ts.mean_difference(mixed), estimator=ts.mean_difference)
    assert [each.decision for each in none.verdicts.values()] == [Decision.DO_NOT_USE] * 2


def test_chance_is_what_ignorant_directions_reach() -> None:
    """Against directions drawn one by one, by other means."""
    train, held_out = train_and_held_out(0.6)
    reached = []
    for seed in range(300):
        v = ts.mean_difference(shuffled(train, seed))[AT].vector
        p, n = ((side @ v).double() for side in (held_out.positive(AT), held_out.negative(AT)))
        reached.append(float((p.mean() - n.mean()).abs() / ((p.var() + n.var()) / 2).sqrt()))
    found = chance_d_prime(train, held_out, AT, quantile=0.9)
    assert found == pytest.approx(np.quantile(reached, 0.9), rel=0.15)


GOOD = Evidence(
    auroc=0.9, auroc_low=0.8, d_prime=1.8, chance_d_prime=0.6, reliability=0.8,
    reliability_low=0.7, length_share=0.1, first_token_share=0.1, comparable=0.8, dominated=0.1,
    texts=64,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "decision", "words"),
    [
        ({}, Decision.USE, "tells held-out texts apart"),
        ({"auroc_low": 0.5}, Decision.DO_NOT_USE, "does not tell"),
        ({"auroc": 0.4, "d_prime": -0.4}, Decision.DO_NOT_USE, "wrong way"),
        ({"d_prime": 0.5, "reliability_low": 0.4}, Decision.DO_NOT_USE, "know nothing do as well"),
        ({"d_prime": 0.5}, Decision.USE, "tells held-out texts apart"),
        ({"reliability": 0.2}, Decision.DO_NOT_USE, "sampling error"),
        ({"reliability_low": -0.1}, Decision.DO_NOT_USE, "sampling error"),
        ({"reliability": 0.4}, Decision.DOUBTFUL, "More than half"),
        ({"auroc": 0.6}, Decision.DOUBTFUL, "weakly"),
        ({"length_share": 0.6}, Decision.DOUBTFUL, "length predicts 60%"),
        ({"first_token_share": 0.6}, Decision.DOUBTFUL, "begin alike, 60%"),
        ({"dominated": 0.7}, Decision.DOUBTFUL, "70%"),
        ({"texts": 15}, Decision.DOUBTFUL, "Only 15"),
        ({"reliability": np.nan, "reliability_low": np.nan}, Decision.USE, "was not measured"),
    ],
)
def test_each_fault_has_its_words(change: dict[str, float], decision: Decision, words: str) -> None:
    found = verdict(AT, replace(GOOD, **change), Thresholds())
    assert found.decision is decision
    assert any(words in reason for reason in found.reasons)
    assert str(decision) in str(found)
    assert AT in str(found)
    assert AT in found._repr_html_()


numbers = st.one_of(st.floats(-3, 3), st.just(float("nan")))


@given(st.builds(Evidence, *[numbers] * 10, st.integers(4, 99)))
@settings(deadline=None, derandomize=True)
def test_a_score_is_a_share_whatever_the_evidence(seen: Evidence) -> None:
    found = verdict(AT, replace(seen, chance_d_prime=abs(seen.chance_d_prime)), Thresholds())
    assert 0 <= found.score <= 1
    assert found.reasons


def made() -> Diagnosis:
    train, held_out = train_and_held_out(0.5)
    return diagnose(train, held_out, ts.mean_difference(train), estimator=ts.mean_difference)


def test_it_shows_itself() -> None:
    found = made()
    assert "1 use" in repr(found)
    assert found.best is found[AT]
    html = found._repr_html_()
    assert "tells held-out texts apart" in html
    assert AT in html
    figure = found.plot(AT)
    (notes,) = [text.get_text() for text in figure.axes[0].texts]
    row = found.frame.loc[AT]
    for number in (f"AUROC {row['auroc']:.2f}", f"d′ {row['d_prime']:.2f}", "use, score"):
        assert number in notes
    areas = [sum(patch.get_xy()[:, 1]) for patch in figure.axes[0].patches]
    assert len(areas) == 2
    means = sorted(float(line.get_xdata()[0]) for line in figure.axes[0].get_lines())
    assert means == pytest.approx(
        sorted([found.held_out[AT].positive.mean(), found.held_out[AT].negative.mean()])
    )
    assert figure_png(figure, dpi=40) == figure_png(found.plot(AT), dpi=40)
    assert len(found.heatmap().axes[0].collections) == 1
    with pytest.raises(HookNameError, match="was not diagnosed"):
        found.plot("blocks.0.hook_resid_pre")


def test_confounds_count() -> None:
    train, held_out = train_and_held_out(0.5)
    table = pd.DataFrame(
        {"hook_name": [AT], "length_share": 0.9, "first_token_share": 0.1, "comparable": 1.0}
    )
    joy = ts.mean_difference(train)
    found = diagnose(train, held_out, joy, estimator=ts.mean_difference, confounds=table)
    assert found[AT].decision is Decision.DOUBTFUL
    assert found.frame.loc[AT, "length_share"] == 0.9
    assert found[AT].score < made()[AT].score / 5
    with pytest.raises(DataError, match="confounds were not measured at"):
        diagnose(train, held_out, joy, confounds=table.assign(hook_name="other"))


def test_what_does_not_fit_is_refused_before_anything_is_measured() -> None:
    train, held_out = train_and_held_out(0.5)
    joy = ts.mean_difference(train)
    with pytest.raises(DataError, match="are the training ones"):
        diagnose(train, train, joy)
    with pytest.raises(DataError, match="at least one direction, got none"):
        diagnose(train, held_out, ts.Directions({}))
    with pytest.raises(DataError, match="Only moments"):
        diagnose(moments_of(train), held_out, joy)
    with pytest.raises(DataError, match="3 positive and 3 negative"):
        diagnose(train, train_and_held_out(0.5, m=3)[1], joy)
    with pytest.raises(MismatchError, match=r"LastToken\(\)"):
        diagnose(train, replace(held_out, read="LastToken()"), joy)
    with pytest.raises(MismatchError, match="'m', not 'n'"):
        diagnose(train, replace(held_out, model=replace(held_out.model, name="n")), joy)
    other = activations_of(*two_classes(64, seed=3), at="blocks.2.hook_resid_post")
    with pytest.raises(HookNameError, match="was not captured"):
        diagnose(train, other, joy)
    random = ts.Directions({AT: joy[AT].random_like(0)})
    with pytest.raises(MismatchError, match="finds another direction"):
        diagnose(train, held_out, random, estimator=ts.mean_difference)
