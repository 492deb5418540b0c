"""The largest feasible dose, wherever the limit lies."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from tl_steer.dosing._strength_search import TOLERANCE, StrengthSearch


def searched(search: StrengthSearch, fits: Callable[[float], bool]) -> StrengthSearch:
    while doses := search.next:
        search = search.after({dose: fits(dose) for dose in doses})
    return search


@settings(deadline=None)
@given(limit=st.floats(0.005, 3), first=st.floats(0.01, 1), most=st.floats(0.05, 2))
def test_the_largest_feasible_dose_is_found(limit: float, first: float, most: float) -> None:
    found = searched(StrengthSearch(first, most, tries=30), lambda dose: dose <= limit)
    largest = min(limit, most)
    assert largest / TOLERANCE <= found.low <= largest
    # Doublings or halvings, one probe, and bisections of a factor of two.
    steps = abs(math.log2(largest / min(first, most)))
    assert found.tried <= steps + 2 + 1 + 3
    assert all(dose <= most for dose in (*found.feasible, *found.infeasible))


@settings(deadline=None)
@given(limit=st.floats(0.001, 3), tries=st.integers(1, 9))
def test_no_more_tries_than_were_allowed(limit: float, tries: int) -> None:
    found = searched(StrengthSearch(0.1, 1.0, tries), lambda dose: dose <= limit)
    assert found.tried <= tries
    assert len({*found.feasible, *found.infeasible}) == found.tried
    assert found.low <= min(limit, 1.0)


@settings(deadline=None)
@given(costs=st.dictionaries(st.integers(0, 400), st.booleans()), tries=st.integers(1, 12))
def test_it_ends_whatever_the_costs_are(costs: dict[int, bool], tries: int) -> None:
    """Costs without any order: what is feasible stays feasible, and nothing is tried twice."""
    found = searched(
        StrengthSearch(0.1, 1.0, tries), lambda dose: costs.get(round(100 * dose), dose < 0.3)
    )
    assert len({*found.feasible, *found.infeasible}) == found.tried <= tries
    assert found.low == max(found.feasible, default=0.0)
    assert found.high > found.low


def test_the_way_that_it_takes() -> None:
    def doses(limit: float, tries: int = 7, most: float = 1.0) -> list[float]:
        tried: list[float] = []

        def fits(dose: float) -> bool:
            tried.append(dose)
            return dose <= limit

        searched(StrengthSearch(0.1, most, tries), fits)
        return tried

    assert doses(0.5, tries=5) == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.4 * 2**0.5])
    # Down, and once up, for the first one may have been bad luck.
    assert doses(0.03, tries=4) == pytest.approx([0.1, 0.05, 0.2, 0.025])
    assert doses(0.03, tries=3, most=0.15) == pytest.approx([0.1, 0.05, 0.025])
    assert doses(9.0) == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    assert doses(9.0, most=0.04) == pytest.approx([0.04])
    assert doses(0.03, tries=1) == pytest.approx([0.1])
