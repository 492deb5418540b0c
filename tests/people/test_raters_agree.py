"""Agreement: a published example, an alpha computed another way, and words for what is little."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from making_people import rated

from tl_steer.errors import ArgumentError, SteerError

pytestmark = pytest.mark.once

_ = None
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: four observers,
# twelve units, five values, answers missing.
PUBLISHED = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    "C": [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
}
LEVELS = ("nominal", "ordinal", "interval")


def by_pairs(units: list[list[float]], level: str) -> float:
    """Alpha by its definition: every pair of answers to one unit, against every pair at all."""
    units = [unit for unit in units if len(unit) > 1]
    every = sorted(itertools.chain(*units))
    count = {value: every.count(value) for value in every}

    def distance(one: float, other: float) -> float:
        low, high = min(one, other), max(one, other)
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return (one - other) ** 2
        between = sum(n for value, n in count.items() if low <= value <= high)
        return (between - (count[low] + count[high]) / 2) ** 2

    def mean(values: list[float]) -> float:
        pairs = list(itertools.permutations(values, 2))
        return sum(distance(*pair) for pair in pairs) / len(pairs)

    observed = sum(len(unit) * mean(unit) for unit in units) / len(every)
    return 1 - observed / mean(every)


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_the_published_example(level: str, alpha: float) -> None:
    found = rated(PUBLISHED).agreement(level=level, draws=200)
    assert found.alpha.estimate == pytest.approx(alpha, abs=5e-4)
    assert found.alpha.low < alpha < found.alpha.high <= 1
    assert (found.raters, found.items, found.level) == (4, 11, level)


@given(
    st.lists(st.lists(st.sampled_from([_, 1, 2, 3, 4, 5]), min_size=3, max_size=3), min_size=2),
    st.sampled_from(LEVELS),
)
@settings(deadline=None, max_examples=60)
def test_alpha_is_that_of_its_definition(rows: list[list[float | None]], level: str) -> None:
    units = [[float(value) for value in row if value is not None] for row in rows]
    assume(len({value for unit in units if len(unit) > 1 for value in unit}) > 1)
    found = rated(dict(zip("ABC", map(list, zip(*rows, strict=True)), strict=True)))
    alpha = found.agreement(level=level, draws=1).alpha.estimate
    assert alpha == pytest.approx(by_pairs(units, level), abs=1e-9)


def test_the_interval_holds_the_alpha_of_many_items() -> None:
    """Raters who are right in 80 % of the cases; few items, again and again."""
    rng = np.random.default_rng(0)

    def drawn(n: int) -> dict[str, list[float]]:
        truth = rng.integers(1, 6, n)
        return {
            name: [float(v) for v in np.where(rng.random(n) < 0.8, truth, rng.integers(1, 6, n))]
            for name in "ABC"
        }

    true = rated(drawn(20_000)).agreement(draws=1).alpha.estimate
    held = 0
    for _study in range(40):
        alpha = rated(drawn(60)).agreement(draws=150).alpha
        held += alpha.low <= true <= alpha.high
    # 95 % of 40 are 38; the chance of fewer than 33 is under 1 in 200, even at 92 %.
    assert held >= 33


def test_repeats_count_for_consistency_and_not_for_alpha() -> None:
    once = {"A": [1, 2, 3, 4, 5], "B": [1, 2, 3, 4, 4], "C": [1, 2, 2, 4, 5]}
    again = {
        "A": [*once["A"], 1, 2, 3],
        "B": [*once["B"], 2, _, 5],
        "C": [*once["C"], _, _, _],
    }
    whole = rated(
        again,
        prompt_index=[0, 1, 2, 3, 4, 0, 1, 2],
        repeat=[False] * 5 + [True] * 3,
    ).agreement(draws=50)
    assert whole.alpha == rated(once).agreement(draws=50).alpha
    table = whole.consistency
    assert list(table.index) == ["A", "B", "C"]
    assert list(table["repeats"]) == [3, 2, 0]
    assert list(table["same"])[:2] == [1.0, 0.0]
    assert list(table["difference"])[:2] == [0.0, 1.5]
    assert np.isnan(table.loc["C", "same"])
    assert any("3 repeats a rater" in note for note in whole.notes)


def test_pairs_are_nominal_and_scales_ordinal_unless_said() -> None:
    pair = rated({"A": [0, 1, 0.5], "B": [0, 1, 1]}, other=["b"] * 3)
    assert pair.agreement(draws=20).level == "nominal"
    assert rated(PUBLISHED).agreement(draws=20).level == "ordinal"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"A": [1, 2]}, "agreement cannot be told"),
        ({"A": [1, 2], "B": [_, _]}, "agreement cannot be told"),
        ({"A": [_, _]}, "agreement cannot be told"),
        ({"A": [1, _], "B": [_, 2]}, "No item was answered by two"),
        ({"A": [3, 3], "B": [3, 3]}, "All answers are the same"),
    ],
)
def test_where_alpha_is_not_defined_it_says_so(
    answers: dict[str, list[float | None]], words: str
) -> None:
    found = rated(answers).agreement(draws=20)
    assert np.isnan([found.alpha.estimate, found.alpha.low, found.alpha.high]).all()
    assert any(words in note for note in found.notes)
    assert "alpha not defined" in repr(found)
    assert "<table" in found._repr_html_()


def test_little_is_said_to_be_little() -> None:
    few = rated({"A": [1, 2, 3, 1], "B": [1, 3, 3, 2]}).agreement(draws=20).notes
    assert any("third" in note for note in few)
    assert any("4 items are few" in note for note in few)
    assert any("agree with themselves is open" in note for note in few)
    rng = np.random.default_rng(0)
    guesses = {name: [float(v) for v in rng.integers(1, 6, 40)] for name in "ABC"}
    noise = rated(guesses).agreement(draws=20)
    assert any("too little to rest conclusions on" in note for note in noise.notes)
    assert not any("few" in note for note in noise.notes)
    same = [float(v) for v in rng.integers(1, 6, 40)]
    clear = rated(dict.fromkeys("ABC", same)).agreement(draws=20)
    assert clear.alpha.estimate == clear.alpha.low == clear.alpha.high == 1
    assert not any("Alpha" in note for note in clear.notes)


def test_what_cannot_be_is_refused() -> None:
    for wrong, says in (({"confidence": 1.0}, "between 0 and 1"), ({"draws": 0}, "of at least 1")):
        with pytest.raises(ArgumentError, match=f"expected a .*number {says}, got"):
            rated(PUBLISHED).agreement(**wrong)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "krippendorff", None)
    with pytest.raises(SteerError, match=r'pip install "krippendorff>=0\.9"'):
        rated(PUBLISHED).agreement()
