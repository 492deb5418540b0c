"""The planted model: what it is said to be, and what estimators make of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from models import has_hooked
from torch import Tensor

import tl_steer as ts
from tl_steer.demo.planted import LAYER, LAYERS, Planted, planted
from tl_steer.demo.planted_table import ESTIMATORS, RANDOM, planted_table
from tl_steer.demo.planted_words import BAD, GOOD
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, SteerError
from tl_steer.lens import tokens
from tl_steer.lens.forward import run_logits
from tl_steer.lens.hook_points import attach, points
from tl_steer.lens.protocol import model_info

KINDS: Any = ["bridge", *(["hooked"] if has_hooked() else [])]
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def made(kind: Any = "bridge", seed: int = 0) -> Planted:
    return planted(seed, kind=kind)


@cache
def captured(kind: Any, n: int) -> ts.Activations:
    one = made(kind)
    return ts.capture(
        one.model, one.texts(n, seed=1), at="blocks.*.hook_resid_post", progress=False
    )


@torch.no_grad()
def readouts(one: Planted, texts: ts.ContrastSet) -> tuple[Tensor, Tensor]:
    """After every text of either class."""
    rows = tokens.tokenize(one.model, list(texts.texts))
    batch = tokens.pad(rows, side="left", pad_id=0)
    found = one.readout(run_logits(one.model, batch)[:, -1])
    return found[: len(texts.positive)], found[len(texts.positive) :]


@contextmanager
def edited(one: Planted, edit: Any) -> Iterator[None]:
    """With a function of the activations at the planted place; by hand, without ``Steering``."""
    found = points(one.model, [one.hook_name])[one.hook_name]
    handle = attach(found, lambda acts, hook: edit(acts))
    try:
        yield
    finally:
        handle.remove()


@every_kind
def test_the_truth_is_a_unit_vector_at_the_planted_layer(kind: Any) -> None:
    one = made(kind)
    assert float(one.truth.norm()) == pytest.approx(1)
    assert one.hook_name == f"blocks.{one.layer}.hook_resid_post"
    assert 0 < one.layer < LAYERS - 1
    # No axis of the model's own: a norm's weights would treat that one apart.
    assert float(one.truth.abs().max()) < 0.6


@every_kind
def test_nothing_lies_along_the_truth_before_its_layer(kind: Any) -> None:
    acts, truth = captured(kind, 64), made(kind).truth
    for name in acts.hook_names:
        along = (acts[name] @ truth).abs().max()
        if int(name.split(".")[1]) < LAYER:
            assert float(along) < 1e-4, name
        else:
            assert float(along) > 0.5, name


@every_kind
def test_a_direction_found_before_the_layer_is_chance(kind: Any) -> None:
    acts, one = captured(kind, 256), made(kind)
    held_out = ts.capture(
        one.model, one.texts(256, seed=9), at=list(acts.hook_names), progress=False
    )
    for name, found in ts.mean_difference(acts).items():
        positive, negative = (
            side @ found.vector for side in (held_out.positive(name), held_out.negative(name))
        )
        spread = float(torch.cat([positive, negative]).std())
        gap = float(positive.mean() - negative.mean()) / spread
        assert gap > 1 if int(name.split(".")[1]) >= LAYER else abs(gap) < 0.5, name


@every_kind
def test_the_mean_difference_finds_it(kind: Any) -> None:
    one = made(kind)
    found = ts.mean_difference(captured(kind, 256))[one.hook_name]
    assert float(found.unit.vector @ one.truth) > 0.9
    chance = [abs(float(found.random_like(n).unit.vector @ one.truth)) for n in range(30)]
    assert max(chance) < 0.6


@every_kind
def test_the_property_is_read_out_and_only_through_the_truth(kind: Any) -> None:
    one = made(kind)
    texts = one.texts(100, seed=2)
    positive, negative = readouts(one, texts)
    assert float((positive > 0).float().mean()) > 0.9
    assert float((negative < 0).float().mean()) > 0.9
    with edited(one, lambda acts: acts - (acts @ one.truth)[..., None] * one.truth):
        for found in readouts(one, texts):
            torch.testing.assert_close(found, torch.zeros(100), atol=1e-4, rtol=0)
    with edited(one, lambda acts: acts - 2 * (acts @ one.truth)[..., None] * one.truth):
        turned, other = readouts(one, texts)
    assert float(turned.mean()) < -0.5 * float(positive.mean()) < 0
    assert float(other.mean()) > -0.5 * float(negative.mean()) > 0


def test_adding_the_truth_steers_what_comes_next() -> None:
    one = made()
    truth = ts.Direction(one.truth, one.hook_name, 9.5, Provenance(model_info(one.model), "truth"))
    texts = one.texts(50, seed=3)
    before = torch.cat(readouts(one, texts))
    with ts.steer(one.model, ts.Add(truth, 1.0)):
        raised = torch.cat(readouts(one, texts))
    assert bool((raised > before + 1).all())


def test_the_largest_difference_between_texts_is_not_the_truth() -> None:
    one = made()
    vectors = captured("bridge", 256)[one.hook_name].double()
    variances, axes = np.linalg.eigh(np.cov(vectors.numpy().T))
    assert abs(float(axes[:, -1] @ one.truth.double().numpy())) < 0.3
    assert variances[-1] > 5 * float((vectors @ one.truth.double()).var())
    # And it says nothing about the class.
    nuisance = vectors @ torch.from_numpy(axes[:, -1].copy())
    gap = nuisance[:256].mean() - nuisance[256:].mean()
    assert abs(float(gap / nuisance.std())) < 0.3


@pytest.mark.parametrize("paired", [False, True])
def test_texts_have_words_of_their_class_only(paired: bool) -> None:
    texts = made().texts(60, seed=4, paired=paired)
    assert (len(texts.positive), len(texts.negative), texts.paired) == (60, 60, paired)
    for side, own, others in ((texts.positive, GOOD, BAD), (texts.negative, BAD, GOOD)):
        for text in side:
            words = text.split()
            assert 1 <= sum(word in own for word in words) <= 4
            assert not set(words) & set(others)
            assert words[0] not in own
    # Everything that is written is in the vocabulary.
    ids = {one for row in tokens.tokenize(made().model, list(texts.texts)) for one in row}
    assert made().model.tokenizer.unk_token_id not in ids


def test_pairs_share_everything_but_the_words_of_their_class() -> None:
    texts = made().texts(60, seed=5, paired=True)
    for positive, negative in zip(texts.positive, texts.negative, strict=True):
        both = list(zip(positive.split(), negative.split(), strict=True))
        assert all((one in GOOD and other in BAD) or one == other for one, other in both)
    alone = made().texts(60, seed=5)
    shared = sum(a.split()[0] == b.split()[0] for a, b in zip(alone.positive, alone.negative))  # noqa: B905
    assert shared < 30


def test_neutral_texts_are_as_long_and_have_no_words_of_a_class() -> None:
    one = made()
    neutral, texts = one.neutral(300, seed=6), one.texts(300, seed=7)
    assert not {word for text in neutral for word in text.split()} & {*GOOD, *BAD}
    lengths = [np.mean([len(text.split()) for text in side]) for side in (neutral, texts.positive)]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.8)


def test_the_seed_decides_everything_and_leaves_global_chance_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = planted(3), planted(3), planted(4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.truth, same.truth)
    assert abs(float(one.truth @ other.truth)) < 0.6
    texts = one.texts(8, seed=1)
    assert texts == same.texts(8, seed=1) != one.texts(8, seed=2)
    for mine, theirs in zip(readouts(one, texts), readouts(same, texts), strict=True):
        assert torch.equal(mine, theirs)
    weights = [dict(each.model.original_model.named_parameters()) for each in (one, same)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@every_kind
def test_the_model_is_used_like_any_other(kind: Any) -> None:
    """Its tokenizer came from a folder that is gone."""
    one = made(kind)
    text = one.texts(1, seed=8).positive[0]
    assert one.model.to_tokens(text, prepend_bos=False).shape == (1, len(text.split()))
    written = ts.generate(
        one.model, [text], sampling=ts.Sampling(3, temperature=0.0), progress=False
    )
    assert len(written.frame) == 1


@pytest.mark.parametrize("n", [0, -1])
def test_no_texts_are_refused(n: int) -> None:
    with pytest.raises(DataError, match=f"n={n}: texts of each class, at least 1"):
        made().texts(n)
    with pytest.raises(DataError, match=f"n={n}: texts of each class, at least 1"):
        made().neutral(n)


@cache
def table() -> pd.DataFrame:
    return planted_table((1, 16, 256), seeds=(0, 1))


def test_the_table_has_every_estimator_at_every_size() -> None:
    rows = Counter(table()["estimator"])
    assert rows == dict.fromkeys([*ESTIMATORS, RANDOM], 3)
    assert list(table()["estimator"].unique()) == [*ESTIMATORS, RANDOM]
    assert list(table().columns) == ["estimator", "n", "mean", "sd"]
    assert table()["mean"].dropna().between(-1, 1).all()


def test_too_few_texts_are_missing_numbers_and_nothing_else_is() -> None:
    missing = table()[table()["mean"].isna()]
    assert set(missing["n"]) == {1}
    assert "mean difference" not in set(missing["estimator"])
    assert {"logistic probe", "principal component"} <= set(missing["estimator"])


def test_more_texts_find_it_better_and_random_directions_never() -> None:
    means = table().pivot(index="estimator", columns="n", values="mean")
    assert (means.loc[["mean difference", "mean difference of pairs"], 256] > 0.9).all()
    grew = means[256] - means[16]
    assert (grew[["mean difference", "whitened mean difference", "logistic probe"]] > 0.02).all()
    # Of |cosine| in 64 dimensions: √(2 / 64π).
    assert means.loc[RANDOM, 256] == pytest.approx((2 / (64 * np.pi)) ** 0.5, abs=0.02)
    # The largest difference between the texts is their topic.
    assert means.loc["principal component", 256] < 0.3


def test_a_size_stands_for_itself() -> None:
    """Smaller sets are the first texts of larger ones."""
    one = planted(0)
    acts = ts.capture(one.model, one.texts(256, seed=0), at=one.hook_name, progress=False)
    found = ts.mean_difference(acts.subset([*range(16), *range(256, 272)]))[one.hook_name]
    alone = planted_table((16, 256), seeds=(0,))
    row = alone[(alone["estimator"] == "mean difference") & (alone["n"] == 16)]
    assert float(row["mean"].iloc[0]) == pytest.approx(float(found.unit.vector @ one.truth))
    assert row["sd"].isna().all()


def test_a_table_of_nothing_is_refused() -> None:
    for sizes, seeds in (((), (0,)), ((0,), (0,)), ((8,), ())):
        with pytest.raises(SteerError, match="some of both, from 1 text on"):
            planted_table(sizes, seeds=seeds)
