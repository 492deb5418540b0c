"""Drawing tokens, against transformers' own warpers and against plain Python."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

import tl_steer as ts
from tl_steer.errors import SteerError

VOCABULARY = 12
GRID = 4000
"""So many evenly spaced numbers stand for the uniform distribution."""

SETTINGS = {
    "temperature": st.floats(0.25, 3.0),
    "top_p": st.floats(0.05, 1.0),
    "top_k": st.one_of(st.none(), st.integers(1, VOCABULARY + 3)),
}


def some_logits(seed: int, rows: int = 1) -> torch.Tensor:
    return 2 * torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def by_transformers(logits: torch.Tensor, sampling: ts.Sampling) -> torch.Tensor:
    nothing = torch.zeros(len(logits), 0, dtype=torch.long)
    for warper in (
        TemperatureLogitsWarper(sampling.temperature),
        *([TopKLogitsWarper(sampling.top_k)] if sampling.top_k is not None else []),
        TopPLogitsWarper(sampling.top_p),
    ):
        logits = warper(nothing, logits)
    return logits.softmax(-1)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(seed=st.integers(0, 999), **SETTINGS)
def test_frequencies_are_those_of_transformers(seed: int, **settings: Any) -> None:
    sampling = ts.Sampling(**settings)
    logits = some_logits(seed)
    expected = by_transformers(logits, sampling)[0]
    grid = (torch.arange(GRID) + 0.5) / GRID
    drawn = sampling.draw(logits.expand(GRID, -1), grid)
    found = torch.bincount(drawn, minlength=VOCABULARY) / GRID
    # Each token owns one interval of the grid, cut to within a point at either end.
    torch.testing.assert_close(found, expected, atol=2.5 / GRID, rtol=0)
    assert not bool(found[expected == 0].any())


def by_plain_python(logits: list[float], uniform: float, sampling: ts.Sampling) -> int:
    """Walk down the tokens from the likeliest until their share exceeds the number."""
    weights = [math.exp(each / sampling.temperature) for each in logits]
    order = sorted(range(len(logits)), key=lambda token: -weights[token])[: sampling.top_k]
    whole = sum(weights[token] for token in order)
    kept, share = [], 0.0
    for token in order:
        if share < sampling.top_p:
            kept.append(token)
        share += weights[token] / whole
    total, walked = sum(weights[token] for token in kept), 0.0
    for token in kept:
        walked += weights[token]
        if uniform * total < walked:
            return token
    return kept[-1]


@settings(deadline=None, derandomize=True, max_examples=80)
@given(seed=st.integers(0, 999), uniform=st.floats(0, 0.999), **SETTINGS)
def test_draws_are_those_of_plain_python(seed: int, uniform: float, **settings: Any) -> None:
    sampling = ts.Sampling(**settings)
    logits = some_logits(seed)
    row = logits[0].double().tolist()
    allowed = {by_plain_python(row, max(0, uniform + e), sampling) for e in (-1e-5, 0, 1e-5)}
    assert int(sampling.draw(logits, torch.tensor([uniform]))) in allowed


@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 999))
def test_rows_are_drawn_by_themselves(seed: int) -> None:
    logits, uniform = some_logits(seed, rows=5), torch.rand(5, generator=torch.manual_seed(seed))
    sampling = ts.Sampling(top_p=0.9, top_k=7)
    together = sampling.draw(logits, uniform)
    alone = [sampling.draw(logits[row : row + 1], uniform[row : row + 1]) for row in range(5)]
    assert torch.equal(together, torch.cat(alone))


def test_edges() -> None:
    logits = some_logits(0)
    best = logits.argmax(-1)
    almost_one = torch.tensor([1 - 2**-24])
    for greedy in (
        ts.Sampling(temperature=0.0),
        ts.Sampling(top_k=1),
        ts.Sampling(top_p=1e-9),
        ts.Sampling(temperature=1e-6),
    ):
        assert torch.equal(greedy.draw(logits, almost_one), best)
    assert torch.equal(ts.Sampling().draw(logits, torch.zeros(1)), best)
    assert torch.equal(ts.Sampling().draw(logits, almost_one), logits.argmin(-1))
    assert ts.Sampling(top_k=5).draw(logits.bfloat16(), almost_one).dtype == torch.long


def test_random_numbers_belong_to_prompt_sample_and_step() -> None:
    numbers = ts.Sampling(5, samples=3, seed=7).uniforms(4)
    assert numbers.shape == (12, 5)
    assert bool(((numbers >= 0) & (numbers < 1)).all())
    assert len(numbers.unique()) == numbers.numel()
    assert torch.equal(numbers, ts.Sampling(5, samples=3, seed=7).uniforms(4))
    assert torch.equal(numbers[:6], ts.Sampling(5, samples=3, seed=7).uniforms(2))
    assert not torch.equal(numbers, ts.Sampling(5, samples=3, seed=8).uniforms(4))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"temperature": -1.0}, "temperature=-1.0: 0 (greedy) or a positive number"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"top_p": 0.0}, "top_p=0.0: over 0, up to 1"),
        ({"top_p": 1.5}, "top_p=1.5"),
        ({"top_p": float("nan")}, "top_p=nan"),
        ({"top_k": 0}, "top_k=0): expected a whole number of at least 1 or None"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"samples": 0}, "samples=0): expected a whole number of at least 1"),
    ],
)
def test_settings_outside_their_range(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SteerError) as refused:
        ts.Sampling(**settings)
    assert says in str(refused.value)
