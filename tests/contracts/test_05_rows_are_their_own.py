"""Contract 5: rows with their own strength or direction equal the rows run one by one."""

from typing import Any

import pytest
import torch
from hypothesis import given, strategies as st
from making import (
    SCOPES,
    SITES,
    TEXTS,
    batch_of,
    direction,
    few,
    generated_by_model,
    greedy,
    logits_of as logits,
)

import tl_steer as ts

STRENGTHS = st.lists(
    st.floats(-2, 2, width=32), min_size=len(TEXTS), max_size=len(TEXTS)
)  # one a text


def of_rows(
    model: Any, site: str, strengths: list[float], seeds: list[int], scope: Any
) -> tuple[ts.Add, list[ts.Add]]:
    """An addition with settings per row, and the additions of the rows alone."""
    directions = [direction(model, site, seed) for seed in seeds]
    together = ts.Add(directions, strengths, scope=scope)
    alone = [ts.Add(d, s, scope=scope) for d, s in zip(directions, strengths, strict=True)]
    return together, alone


@few
@given(
    strengths=STRENGTHS,
    seeds=st.lists(st.integers(0, 9), min_size=len(TEXTS), max_size=len(TEXTS)),
    site=st.sampled_from(SITES),
    scope=st.sampled_from(sorted(SCOPES)),
)
def test_rows_equal_themselves_alone(
    model: Any, strengths: list[float], seeds: list[int], site: str, scope: str
) -> None:
    together, alone = of_rows(model, site, strengths, seeds, SCOPES[scope][0])
    real = batch_of(model).real
    with ts.steer(model, together):
        found = logits(model)
    for row, (text, add) in enumerate(zip(TEXTS, alone, strict=True)):
        with ts.steer(model, add):
            expected = logits(model, [text])[0]
        torch.testing.assert_close(found[row][real[row]], expected, atol=1e-4, rtol=0)


@few
@given(strengths=STRENGTHS, scope=st.sampled_from(sorted(SCOPES)))
def test_one_direction_with_a_strength_for_each_row(
    model: Any, strengths: list[float], scope: str
) -> None:
    shared = direction(model, SITES[2])
    several = ts.Add(shared, torch.tensor(strengths), scope=SCOPES[scope][0])
    steering = ts.Steering(several, ts.Add(direction(model, SITES[1]), 0.5))
    found = greedy(model, TEXTS, steering).frame
    for row, text in enumerate(TEXTS):
        by_number = ts.Steering(
            ts.Add(shared, strengths[row], scope=SCOPES[scope][0]),
            ts.Add(direction(model, SITES[1]), 0.5),
        )
        alone = greedy(model, text, by_number).frame
        assert found["tokens"][row] == alone["tokens"][0]
        assert found["log_probs"][row] == pytest.approx(alone["log_probs"][0], abs=1e-4)


def test_one_row_of_a_steering_is_that_rows_steering(model: Any) -> None:
    together, alone = of_rows(model, SITES[2], [2.0, -2.0, 1.0], [1, 2, 3], ts.prompt)
    for row, (text, add) in enumerate(zip(TEXTS, alone, strict=True)):
        with ts.steer(model, ts.Steering(together).rows([row])):
            found = logits(model, [text])
        with ts.steer(model, add):
            assert torch.equal(logits(model, [text]), found)


def test_rows_keep_their_settings_when_batches_are_sorted_by_length(model: Any) -> None:
    """Our ``generate`` reorders rows; settings must go along, whatever the batches."""
    together, alone = of_rows(model, SITES[2], [2.0, -2.0, 1.0], [1, 2, 3], ts.generated)
    expected = [
        greedy(model, text, ts.Steering(add)).frame["tokens"][0]
        for text, add in zip(TEXTS, alone, strict=True)
    ]
    assert len({tuple(tokens) for tokens in expected}) == len(TEXTS)
    for max_tokens in (1, 20, 10_000):
        found = greedy(model, TEXTS, ts.Steering(together), max_tokens=max_tokens).frame
        assert found["tokens"].tolist() == expected


def test_the_models_own_generation(model: Any) -> None:
    together, alone = of_rows(model, SITES[1], [2.0, -2.0, 1.0], [1, 2, 3], ts.everywhere)
    with ts.steer(model, together):
        found = generated_by_model(model)
    for row, (text, add) in enumerate(zip(TEXTS, alone, strict=True)):
        with ts.steer(model, add):
            assert found[row] == generated_by_model(model, text)[0]


def test_rows_are_kept_in_the_order_asked_for(model: Any) -> None:
    together, _ = of_rows(model, SITES[2], [1.0, 2.0, 3.0], [1, 2, 3], ts.prompt)
    kept = ts.Steering(together).rows([2, 0, 0])
    assert kept.n_rows == 3
    (add,) = kept.interventions.values()
    assert isinstance(add, ts.Add)
    assert torch.as_tensor(add.strength).tolist() == [3.0, 1.0, 1.0]
    assert add.directions == (together.directions[2], *[together.directions[0]] * 2)
    assert add.scope is ts.prompt
