"""Intervals of shares, against the formula, and against how often they hold the truth."""

import math

import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from tl_steer.errors import DataError
from tl_steer.metrics._share import share_interval


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.5, 0.99))
def test_it_is_wilson_s(n: int, part: float, confidence: float) -> None:
    count = round(part * n)
    found = share_interval(count, n, confidence=confidence)
    z, p = float(stats.norm.ppf((1 + confidence) / 2)), count / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.estimate == p
    assert found.low == pytest.approx(middle - half, abs=1e-9)
    assert found.high == pytest.approx(middle + half, abs=1e-9)
    assert 0 <= found.low <= p <= found.high <= 1


def test_it_holds_the_truth_at_about_the_stated_rate() -> None:
    for truth in (0.1, 0.5, 0.9):
        counts = stats.binom(40, truth)
        held = [share_interval(count, 40) for count in range(41)]
        rate = sum(
            counts.pmf(count) for count, each in enumerate(held) if each.low <= truth <= each.high
        )
        assert 0.92 < rate < 0.99


def test_none_of_16_may_still_be_some() -> None:
    found = share_interval(0, 16)
    assert found.low == 0
    assert found.high == pytest.approx(0.194, abs=1e-3)


@pytest.mark.parametrize(("count", "of", "confidence"), [(0, 0, 0.9), (3, 2, 0.9), (1, 2, 1.0)])
def test_what_is_refused(count: int, of: int, confidence: float) -> None:
    with pytest.raises(DataError, match=f"{count} of {of} with"):
        share_interval(count, of, confidence=confidence)
