"""Where something begins to happen: on functions whose beginning is known."""

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from tl_steer.robustness._bisection import narrowed

amounts = st.lists(st.floats(0.01, 50), min_size=1, max_size=6)


@settings(deadline=None, max_examples=40)
@given(starts=amounts, precision=st.sampled_from([0.3, 0.01, 1e-3]))
def test_it_ends_within_the_precision_above_the_beginning(
    starts: list[float], precision: float
) -> None:
    begins = torch.tensor(starts)

    def happens(rows: list[int], at: torch.Tensor) -> torch.Tensor:
        return at >= begins[rows]

    found = narrowed(happens, 0 * begins, 4 * begins, precision=precision)
    assert bool((found >= begins).all())
    assert bool(((1 - precision) * found < begins).all())


@settings(deadline=None, max_examples=40)
@given(rate=st.floats(3, 40), shift=st.floats(0, 1), precision=st.sampled_from([0.1, 0.01]))
def test_where_it_comes_and_goes_a_little_less_does_not(
    rate: float, shift: float, precision: float
) -> None:
    def wave(at: float) -> bool:
        return math.sin(rate * at + shift) > 0.9

    tried: list[float] = []

    def happens(rows: list[int], at: torch.Tensor) -> torch.Tensor:
        tried.append(float(at))
        return torch.tensor([wave(float(at))])

    high = next(each for each in torch.linspace(1, 8, 4000).tolist() if wave(each))
    (found,) = narrowed(happens, torch.zeros(1), torch.tensor([high]), precision=precision).tolist()
    assert wave(found)
    nearest = float((1 - precision) * torch.tensor(found))
    # It was itself tried, and found too little.
    assert nearest in tried
    assert not wave(nearest)


def test_only_open_rows_are_asked_for() -> None:
    asked: list[list[int]] = []

    def happens(rows: list[int], at: torch.Tensor) -> torch.Tensor:
        asked.append(rows)
        return at >= torch.tensor([1.0, 1.0])[rows]

    low, high = torch.tensor([0.0, 0.98]), torch.tensor([64.0, 1.0])
    found = narrowed(happens, low, high, precision=0.05)
    assert asked[0] == [0, 1]
    assert asked[-1] == [0]
    assert found.tolist() == pytest.approx([1.0, 1.0], rel=0.06)
    assert low.tolist() == pytest.approx([0.0, 0.98])


def test_what_happens_at_nothing_ends_the_search() -> None:
    found = narrowed(
        lambda rows, at: torch.ones(len(rows), dtype=torch.bool),
        torch.zeros(2),
        torch.tensor([1.0, 0.0]),
        precision=0.01,
    )
    assert found[0] <= 1e-6
    assert found[1] == 0
