"""Contract 7: batch size, order and padding change nothing but rounding."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings, strategies as st
from models import ARCHITECTURES, KINDS, WORDS, small_model

import tl_steer as ts

AT = ["blocks.0.hook_mlp_out", "blocks.1.attn.hook_z", "blocks.2.hook_resid_post"]
READS = (
    ts.MeanOfTokens(),
    ts.LastToken(),
    ts.activations.TokenAt(1),
    ts.activations.TokenAt(-2),
    ts.activations.AnswerToken(r"film|movie"),
    ts.activations.EveryToken(),
)
SINK = "actor"
cached_model = cache(small_model)


@cache
def model_with_sink(kind: str, architecture: str) -> Any:
    """One word carries 300 times the norm of others, so that leaving it out is put to the test."""
    model = small_model(kind, architecture)
    weights = next(p for p in model.parameters() if p.shape == (len(WORDS) + 3, 32))
    with torch.no_grad():
        weights[WORDS.index(SINK) + 3] = 0
        weights[WORDS.index(SINK) + 3, 7] = 300.0
    return model


def texts(n: int = 10, seed: int = 0) -> list[str]:
    """Texts of 4 to 24 tokens, each with a film or a movie in it, two of them with the sink."""
    random = np.random.default_rng(seed)
    plain = [word for word in WORDS if word != SINK]
    found = []
    for number in range(n):
        words = list(random.choice(plain, random.integers(3, 23)))
        words.insert(random.integers(1, len(words)), ("film", "movie")[number % 2])
        if number in (2, 7):
            words.insert(3, SINK)
        found.append(" ".join(words))
    return found


TEXTS = texts()


def capture(model: Any, order: list[int], **options: Any) -> ts.Activations:
    """Capture the texts in some order; the first half of them is the positive class."""
    half = len(TEXTS) // 2
    sides = ([i for i in order if i < half], [i for i in order if i >= half])
    contrast = ts.ContrastSet(*([TEXTS[i] for i in side] for side in sides))
    return ts.capture(model, contrast, at=AT, progress=False, **options)


def by_text(found: ts.Activations, order: list[int]) -> dict[str, list[torch.Tensor]]:
    """The vectors of each text, in the order in which the texts are listed above."""
    half = len(TEXTS) // 2
    given_order = [i for i in order if i < half] + [i for i in order if i >= half]
    place = {text: position for position, text in enumerate(given_order)}
    return {
        name: [found[name][found.text_index[name] == place[i]] for i in range(len(TEXTS))]
        for name in AT
    }


def assert_same(found: ts.Activations, expected: ts.Activations) -> None:
    pd.testing.assert_frame_equal(found.left_out, expected.left_out)
    for name in AT:
        assert found.norms[name] == pytest.approx(expected.norms[name], rel=1e-4)
        for ours, theirs in zip(found.means(name), expected.means(name), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)
        assert found.counts(name) == expected.counts(name)


ORDER = list(range(len(TEXTS)))


@cache
def reference(kind: str, architecture: str, read: Any) -> ts.Activations:
    return capture(model_with_sink(kind, architecture), ORDER, read=read)


@pytest.mark.parametrize("read", READS, ids=repr)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_tokens", [1, 100_000])
def test_vectors(kind: str, architecture: str, read: Any, max_tokens: int) -> None:
    model = model_with_sink(kind, architecture)
    expected = reference(kind, architecture, read)
    order = np.random.default_rng(max_tokens).permutation(ORDER).tolist()
    found = capture(model, order, read=read, max_tokens=max_tokens)
    assert_same(found, expected)
    ours, theirs = by_text(found, order), by_text(expected, ORDER)
    for name in AT:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("read", READS, ids=repr)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", KINDS)
def test_moments(kind: str, architecture: str, read: Any) -> None:
    model = model_with_sink(kind, architecture)
    expected = reference(kind, architecture, read)
    order = ORDER[::-1]
    found = capture(model, order, read=read, max_tokens=50, moments_only=True)
    assert_same(found, expected)
    for name in AT:
        for side in ("positive", "negative"):
            ours, theirs = (getattr(each.moments(name), side) for each in (found, expected))
            torch.testing.assert_close(ours.covariance, theirs.covariance, rtol=1e-3, atol=1e-3)


@settings(deadline=None, max_examples=6)
@given(st.permutations(ORDER), st.integers(20, 400))
def test_any_order_and_any_size(order: list[int], max_tokens: int) -> None:
    read = ts.MeanOfTokens()
    found = capture(model_with_sink("bridge", "llama"), order, read=read, max_tokens=max_tokens)
    expected = reference("bridge", "llama", read)
    assert_same(found, expected)
    ours, theirs = ts.mean_difference(found), ts.mean_difference(expected)
    for name in AT:
        torch.testing.assert_close(ours[name].vector, theirs[name].vector, rtol=1e-4, atol=2e-5)


def test_the_sink_is_found_where_it_is() -> None:
    """Otherwise nothing above would have been put to the test."""
    found = reference("bridge", "llama", ts.MeanOfTokens())
    assert found.left_out.loc["blocks.2.hook_resid_post", "massive"] == 2


@pytest.mark.parametrize("seed", range(4))
def test_the_median_is_that_of_the_same_texts_in_any_order(seed: int) -> None:
    """At so low a ratio, a median of other texts would leave out other tokens."""
    several = texts(40, seed=5)
    options: Any = {
        "at": AT,
        "leave_out": ts.activations.LeaveOut(massive=1.02),
        "read": ts.activations.TokenAt(1),  # which is there, whatever is left out
        "progress": False,
    }
    expected = ts.capture(cached_model("bridge"), several, **options)
    assert expected.left_out["massive"].min() > 40
    order = np.random.default_rng(seed).permutation(40)
    found = ts.capture(
        cached_model("bridge"), [several[i] for i in order], max_tokens=50 + 300 * seed, **options
    )
    pd.testing.assert_frame_equal(found.left_out, expected.left_out)


def test_company_does_not_matter() -> None:
    """A text's vector is the same beside longer texts, shorter ones and none."""
    model = cached_model("bridge")
    expected = ts.capture(model, TEXTS[:1], at=AT, progress=False)
    for others in (TEXTS[1:], ["a film"] * 9):
        found = ts.capture(model, [TEXTS[0], *others], at=AT, progress=False, max_tokens=100_000)
        for name in AT:
            torch.testing.assert_close(found[name][0], expected[name][0], rtol=1e-4, atol=2e-5)
