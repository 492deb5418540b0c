"""Strengths by generated index, against the formulas written out token by token."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from passes import split, steps, whole

from tl_steer.errors import NonFiniteError, SteerError
from tl_steer.strengths._schedules import (
    ByIndex,
    ExponentialDecay,
    FirstTokens,
    LinearDecay,
    WarmUp,
)

PROMPTS, WRITTEN = [4, 1, 2], 6

Schedule = Callable[..., Any]

SCHEDULES: dict[str, tuple[Schedule, Callable[[int], float]]] = {
    "FirstTokens": (lambda **on: FirstTokens(2, 3.0, **on), lambda i: 3.0 if i < 2 else 0.0),
    "FirstTokens of none": (lambda **on: FirstTokens(0, 3.0, **on), lambda i: 0.0),
    "LinearDecay": (lambda **on: LinearDecay(4, -2.0, **on), lambda i: -2.0 * max(1 - i / 4, 0)),
    "ExponentialDecay": (
        lambda **on: ExponentialDecay(1.5, 3.0, **on),
        lambda i: 3.0 * 0.5 ** (i / 1.5),
    ),
    "ByIndex": (
        lambda **on: ByIndex(lambda i: i**2 if i < 4 else -1, **on),
        lambda i: i**2 if i < 4 else -1,
    ),
}


def by_hand(formula: Callable[[int], float], prompt: float) -> torch.Tensor:
    """Left-padded rows; padding is 0 here, and is not asked about."""
    width = max(PROMPTS)
    return torch.tensor(
        [
            [0.0] * (width - length) + [prompt] * length + [formula(i) for i in range(WRITTEN)]
            for length in PROMPTS
        ]
    )


def said(schedule: Any, context: Any) -> torch.Tensor:
    acts = torch.zeros(*context.positions.shape, 1)
    return torch.where(context.real, schedule(acts, context), 0.0)


@pytest.mark.parametrize("on_prompt", [True, False])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_follows_its_formula(name: str, on_prompt: bool) -> None:
    make, formula = SCHEDULES[name]
    start = {"FirstTokens of none": 3.0}.get(name, formula(0))
    expected = by_hand(formula, start if on_prompt else 0.0)
    schedule = make(on_prompt=on_prompt)
    torch.testing.assert_close(said(schedule, whole(PROMPTS, WRITTEN)), expected)
    contexts = steps(PROMPTS, WRITTEN)
    for context, part in zip(contexts, split(expected, contexts), strict=True):
        torch.testing.assert_close(said(schedule, context), part)


def test_warm_up_begins_with_nothing() -> None:
    expected = by_hand(lambda i: 2.0 * min(i / 4, 1), 0.0)
    torch.testing.assert_close(said(WarmUp(4, 2.0), whole(PROMPTS, WRITTEN)), expected)


def test_the_index_counts_what_was_written() -> None:
    index = whole([3, 1], 2).generated_index
    assert index[0].tolist() == [-3, -2, -1, 0, 1]
    assert index[1, 2:].tolist() == [-1, 0, 1]


def test_a_function_is_asked_once_for_each_index() -> None:
    asked: list[int] = []

    def function(index: int) -> float:
        asked.append(index)
        return float(index)

    schedule = ByIndex(function)
    for context in [*steps([2, 3], 100), whole([2, 3], 100)]:
        said(schedule, context)
    # Once more for 0, when it was made.
    assert sorted(asked[1:]) == list(range(len(asked) - 1))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: FirstTokens(-1), SteerError, "n=-1.: expected a whole number from 0 on"),
        (lambda: FirstTokens(1, float("nan")), NonFiniteError, "strength=nan"),
        (lambda: LinearDecay(0), SteerError, "n=0.: expected a whole number of at least 1"),
        (lambda: LinearDecay(3, float("inf")), NonFiniteError, "strength=inf"),
        (lambda: ExponentialDecay(0.0), SteerError, r"half_life=0.0.: expected a number over 0"),
        (lambda: ExponentialDecay(-2.0), SteerError, "half_life=-2.0"),
        (lambda: ExponentialDecay(float("inf")), NonFiniteError, "half_life=inf"),
        (lambda: WarmUp(-3), SteerError, "n=-3"),
        (lambda: ByIndex(lambda i: "much"), SteerError, "got 'much' for index 0"),
        (
            lambda: ByIndex(lambda i: torch.ones(2)),
            SteerError,
            "expected a number from the function",
        ),
        (lambda: ByIndex(lambda i: float("nan")), NonFiniteError, "nan for index 0"),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_a_function_that_goes_wrong_later() -> None:
    schedule = ByIndex(lambda i: float("inf") if i == 3 else 1.0)
    with pytest.raises(NonFiniteError, match="inf for index 3"):
        said(schedule, whole([1], 2))
