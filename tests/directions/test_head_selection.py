import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from activations_of import (
    AT,
    INFO,
    Z,
    activations_of,
    few_dimensions,
    moments_of,
    two_classes,
    without_classes,
)
from models import small_model
from sklearn.linear_model import LogisticRegression

import tl_steer as ts
from tl_steer.directions._head_selection import head_probes, scaled_by_std, select_heads
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError

pytestmark = few_dimensions

KNOWING = 2


def of_heads(n: int, seed: int, *, at: str = Z, size: float = 1.5) -> ts.Activations:
    """Four heads of five numbers, of which one knows the property."""
    generator = torch.Generator().manual_seed(seed)
    positive, negative = torch.randn(2, n, 4, 5, generator=generator)
    positive[:, KNOWING, 1] += size
    return activations_of(positive, negative, at=at)


def direction(vector: torch.Tensor, at: str = Z) -> ts.Direction:
    return ts.Direction(vector, at, 1.0, Provenance(INFO, "made"))


def test_the_head_that_knows_is_found() -> None:
    table = head_probes(of_heads(100, 0), of_heads(100, 1))
    assert list(table.columns) == ["hook_name", "head", "accuracy", "auroc"]
    assert sorted(table["head"]) == [0, 1, 2, 3]
    assert set(table["hook_name"]) == {Z}
    best = table.iloc[0]
    assert best["head"] == KNOWING
    # Two normal classes 1.5 standard deviations apart: no probe does better than this.
    assert best["accuracy"] == pytest.approx(0.5 + 0.5 * math.erf(0.75 / math.sqrt(2)), abs=0.06)
    assert best["auroc"] == pytest.approx(0.5 + 0.5 * math.erf(1.5 / 2), abs=0.06)
    assert table["accuracy"].is_monotonic_decreasing
    assert (table["auroc"].iloc[1:] - 0.5).abs().max() < 0.15


def test_scores_are_those_of_a_probe_of_each_head() -> None:
    train, unseen = of_heads(40, 0, size=0.7), of_heads(30, 1, size=0.7)
    table = head_probes(train, unseen, c=0.1).set_index("head")
    truth = np.arange(60) < 30
    for head in range(4):
        x, new = train[Z][:, head].numpy(), unseen[Z][:, head].numpy()
        scale = math.sqrt(x.var(0).mean())
        oracle = LogisticRegression(C=0.1, tol=1e-8).fit(x / scale, np.arange(80) < 40)
        scores = oracle.decision_function(new / scale)
        assert table.loc[head, "accuracy"] == np.mean((scores > 0) == truth)
        # The share of pairs that the scores put in the right order.
        wins = (scores[:30, None] > scores[None, 30:]).mean()
        assert table.loc[head, "auroc"] == pytest.approx(wins)


def test_it_works_from_a_model_to_a_steering() -> None:
    model = small_model("bridge")
    texts = ts.ContrastSet(
        ["the film was great", "i loved it", "a good story", "bright music and plot"],
        ["the film was awful", "i hated it", "a bad story", "dull music and plot"],
    )
    acts = ts.capture(model, texts, at="blocks.*.attn.hook_z", progress=False)
    probes = head_probes(acts, acts)
    assert len(probes) == 16
    joy = ts.mean_difference(acts)
    additions = []
    for name, best in probes.head(3).groupby("hook_name")["head"]:
        few = scaled_by_std(select_heads(joy[name], best), acts)
        assert sorted(few.vector.any(-1).nonzero().flatten().tolist()) == sorted(best)
        additions.append(ts.Add(few, 2.0))
    with torch.no_grad():
        before = model("the film")
        with ts.steer(model, *additions):
            assert not torch.equal(model("the film"), before)


def test_ties_keep_the_order_of_the_heads() -> None:
    same = torch.randn(6, 1, 5, generator=torch.Generator().manual_seed(0)).repeat(1, 4, 1)
    acts = activations_of(same[:3], same[3:], at=Z)
    assert head_probes(acts, acts)["head"].tolist() == [0, 1, 2, 3]


def test_heads_that_are_not_wanted_are_zero() -> None:
    vector = torch.randn(4, 5)
    found = select_heads(direction(vector), [3, 1, 3])
    assert torch.equal(found.vector[[1, 3]], vector[[1, 3]])
    assert not found.vector[[0, 2]].any()
    assert found.provenance.method == "heads 1, 3 of (made)"
    assert (found.hook_name, found.scale) == (Z, 1.0)
    assert torch.equal(select_heads(direction(vector), pd.Series([1, 3])).vector, found.vector)


@pytest.mark.parametrize(
    ("heads", "words"),
    [([4], r"heads from 0 to 3, got \[4\]"), ([-1, 2], r"got \[-1, 2\]"), ([], "got none")],
)
def test_heads_that_are_not_there_are_refused(heads: list[int], words: str) -> None:
    with pytest.raises(MismatchError, match=words):
        select_heads(direction(torch.randn(4, 5)), heads)


@pytest.mark.parametrize("shape", [(4, 5), (8,)])
def test_each_head_becomes_one_standard_deviation_long(shape: Any) -> None:
    positive, negative = two_classes(*shape, n=20, m=30)
    acts = activations_of(positive, negative, at=Z)
    vector = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = scaled_by_std(direction(vector), acts)
    both = acts[Z].double().numpy().reshape(50, -1, shape[-1])
    for head, given in enumerate(vector.double().numpy().reshape(-1, shape[-1])):
        unit = given / np.linalg.norm(given)
        sigma = np.std(both[:, head] @ unit)
        got = found.vector.reshape(-1, shape[-1])[head].numpy()
        np.testing.assert_allclose(got, sigma * unit, rtol=1e-4, atol=1e-6)
    assert found.provenance.method == "(made) in standard deviations"
    # However long it was before.
    again = scaled_by_std(-7 * direction(vector), acts)
    torch.testing.assert_close(again.vector, -found.vector)


def test_what_is_zero_stays_zero() -> None:
    acts = of_heads(20, 0)
    few = select_heads(direction(torch.randn(4, 5)), [1])
    found = scaled_by_std(few, acts)
    assert not found.vector[[0, 2, 3]].any()
    assert found.vector[1].any()
    with pytest.raises(NonFiniteError, match="zero vector"):
        scaled_by_std(direction(torch.zeros(4, 5)), acts)


def test_texts_without_classes_have_standard_deviations_too() -> None:
    acts = of_heads(20, 0)
    plain = without_classes(acts[Z], at=Z)
    d = direction(torch.randn(4, 5))
    one, other = (scaled_by_std(d, each) for each in (acts, plain))
    assert torch.equal(one.vector, other.vector)


def test_what_does_not_fit_is_refused() -> None:
    acts, stream = of_heads(20, 0), activations_of(*two_classes(8))
    with pytest.raises(
        MismatchError, match=rf"{AT}: hook_resid_post has no heads. Use attn.hook_z"
    ):
        head_probes(stream, stream)
    with pytest.raises(MismatchError, match="has no heads"):
        select_heads(direction(torch.randn(8), AT), [0])
    other = replace(acts, model=replace(INFO, d_model=64))
    with pytest.raises(MismatchError, match="of another model"):
        head_probes(acts, other)
    with pytest.raises(MismatchError, match="of different models"):
        scaled_by_std(direction(torch.randn(4, 5)), other)
    elsewhere = of_heads(20, 0, at="blocks.2.attn.hook_z")
    with pytest.raises(HookNameError, match=f"held-out texts were not captured at {Z}"):
        head_probes(acts, elsewhere)
    with pytest.raises(HookNameError, match="was not captured"):
        scaled_by_std(direction(torch.randn(4, 5)), elsewhere)
    with pytest.raises(SteerError, match="c=0"):
        head_probes(acts, acts, c=0)


def test_moments_are_not_enough() -> None:
    acts = of_heads(20, 0)
    for pair in ((moments_of(acts), acts), (acts, moments_of(acts))):
        with pytest.raises(DataError, match="Only moments were kept"):
            head_probes(*pair)
    with pytest.raises(DataError, match="Only moments were kept"):
        scaled_by_std(direction(torch.randn(4, 5)), moments_of(acts))


def test_activations_that_nothing_is_learnt_from_are_refused() -> None:
    acts = of_heads(20, 0)
    with pytest.raises(
        DataError, match="a probe needs 2 examples of each class, got 20 positive and 1 negative"
    ):
        head_probes(activations_of(acts.positive(Z), acts.negative(Z)[:1], at=Z), acts)
    with pytest.raises(DataError, match="all 20 examples are positive, and a trial of probes"):
        head_probes(acts, activations_of(acts.positive(Z), acts.negative(Z)[:0], at=Z))
    still = activations_of(torch.ones(3, 4, 5), torch.ones(3, 4, 5), at=Z)
    with pytest.raises(DataError, match="the same for every text"):
        head_probes(still, acts)
    with pytest.raises(DataError, match="do not vary along the direction"):
        scaled_by_std(direction(torch.randn(4, 5)), still)
