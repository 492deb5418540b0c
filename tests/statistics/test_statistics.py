"""Statistics, against scipy, simulation and definitions worked out by brute force."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from making import as_users_run_it
from scipy import stats

from tl_steer.errors import ArgumentError, DataError, NonFiniteError
from tl_steer.statistics._statistics import (
    Interval,
    chance_of_sigma,
    holm,
    paired_difference,
    rank_p_value,
    sigma_above,
)

pytestmark = pytest.mark.once

STUDIES = 200


def study(
    random: np.random.Generator, prompts: int, samples: int, *, effect: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of texts that depend on their prompt, in level and in what steering does to them."""
    prompt = np.repeat(np.arange(prompts), samples)
    level = random.normal(0, 2, prompts)[prompt]
    moved = (effect + random.normal(0, 0.5, prompts))[prompt]
    baseline = level + random.normal(0, 0.3, len(prompt))
    return level + moved + random.normal(0, 0.3, len(prompt)), baseline, prompt


def test_intervals_cover_at_about_the_stated_rate() -> None:
    random, effect = np.random.default_rng(0), 0.7
    covered, apart = 0, 0
    for number in range(STUDIES):
        steered, baseline, prompt = study(random, 40, 4, effect=effect)
        found = paired_difference(steered, baseline, prompt, draws=999, seed=number)
        covered += found.low <= effect <= found.high
        # As if the texts of a prompt were independent.
        naive = paired_difference(steered, baseline, np.arange(len(prompt)), draws=999)
        apart += naive.low <= effect <= naive.high
    low, high = stats.binom.interval(0.998, STUDIES, 0.95)
    assert low <= covered <= high
    assert apart < low


def test_it_is_the_bootstrap_of_scipy_over_prompts() -> None:
    steered, baseline, prompt = study(np.random.default_rng(1), 12, 3, effect=0.3)
    found = paired_difference(steered, baseline, prompt, confidence=0.9, draws=20_000)
    means = (steered - baseline).reshape(12, 3).mean(1)
    own = stats.bootstrap(
        (means,), np.mean, confidence_level=0.9, n_resamples=20_000, method="percentile", rng=7
    ).confidence_interval
    assert found.estimate == pytest.approx(means.mean())
    assert (found.low, found.high) == pytest.approx((own.low, own.high), abs=0.01)
    assert found.confidence == 0.9


def test_prompts_of_unequal_size_and_in_any_order() -> None:
    steered, baseline, prompt = study(np.random.default_rng(2), 12, 3, effect=0.3)
    kept = np.arange(len(prompt))[5:]
    found = paired_difference(steered[kept], baseline[kept], prompt[kept] * 7)
    assert found.estimate == pytest.approx((steered - baseline)[kept].mean())
    mixed = np.random.default_rng(3).permutation(kept)
    other = paired_difference(steered[mixed], baseline[mixed], prompt[mixed])
    assert (found.low, found.high) == pytest.approx((other.low, other.high))
    assert found.low < found.estimate < found.high
    again = paired_difference(steered[kept], baseline[kept], prompt[kept], seed=5)
    assert again.low != found.low


def test_seeds_are_further_texts_of_a_prompt() -> None:
    """Twice the same texts tell nothing new."""
    steered, baseline, prompt = study(np.random.default_rng(4), 12, 3, effect=0.3)
    once = paired_difference(steered, baseline, prompt)
    twice = paired_difference(*(np.tile(each, 2) for each in (steered, baseline, prompt)))
    assert (once.low, once.high) == pytest.approx((twice.low, twice.high))


def test_without_a_spread_or_with_one_prompt() -> None:
    same = paired_difference(np.full(6, 0.75), np.full(6, 0.25), np.arange(6))
    assert (same.estimate, same.low, same.high) == (0.5, 0.5, 0.5)
    one = paired_difference(np.ones(3), np.zeros(3), np.zeros(3, dtype=int))
    assert one.estimate == 1
    assert np.isnan([one.low, one.high]).all()
    assert str(Interval(0.25, -0.1, 0.5)) == "+0.250 [-0.100, +0.500]"


def test_sigma_by_hand() -> None:
    assert sigma_above(5.0, np.array([1.0, 2.0, 3.0])) == pytest.approx(3.0)
    assert sigma_above(-1.0, np.array([1.0, 2.0, 3.0])) == pytest.approx(-3.0)
    assert np.isnan(sigma_above(5.0, np.array([0.1, 0.1, 0.1])))


@pytest.mark.parametrize("n", [4, 10, 30])
def test_without_effect_sigma_exceeds_two_as_often_as_said(n: int) -> None:
    random = np.random.default_rng(n)
    draws = random.normal(0.1, 0.05, (8000, n + 1))
    sigma = np.array([sigma_above(float(each[0]), each[1:]) for each in draws])
    expected = chance_of_sigma(2.0, n)
    # More than the normal distribution's 2.3 %.
    assert expected > stats.norm.sf(2) + 0.004
    assert (sigma > 2).mean() == pytest.approx(expected, abs=0.009)
    first = int((sigma[:STUDIES] > 2).sum())
    low, high = stats.binom.interval(0.998, STUDIES, expected)
    assert low <= first <= high
    # The whole distribution, not only its tail.
    chances = [chance_of_sigma(float(each), n) for each in sigma[:2000]]
    assert stats.kstest(chances, "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    ("effect", "p"), [(9.0, 1 / 5), (3.0, 3 / 5), (2.5, 3 / 5), (-1.0, 5 / 5), (4.0, 2 / 5)]
)
def test_rank_by_hand(effect: float, p: float) -> None:
    assert rank_p_value(effect, np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(p)


def test_chances_that_are_written_down() -> None:
    chances = [round(100 * chance_of_sigma(2.0, n), 1) for n in (30, 10, 4)]
    assert chances == [2.9, 4.4, 8.6]
    assert chance_of_sigma(2.0, 100_000) == pytest.approx(stats.norm.sf(2), rel=1e-3)


def test_ranks_are_as_likely_as_they_say_whatever_the_distribution() -> None:
    random = np.random.default_rng(0)
    draws = random.exponential(1.0, (20_000, 10)) ** 3
    found = np.array([rank_p_value(float(each[0]), each[1:]) for each in draws])
    for rank in range(1, 11):
        assert (found <= rank / 10 + 1e-9).mean() == pytest.approx(rank / 10, abs=0.012)


def by_closed_testing(p: np.ndarray) -> list[float]:
    """Holm's method is Bonferroni's on every set of hypotheses that holds the one in question."""
    numbers = range(len(p))
    return [
        max(
            min(1.0, size * p[list(chosen)].min())
            for size in range(1, len(p) + 1)
            for chosen in combinations(numbers, size)
            if one in chosen
        )
        for one in numbers
    ]


@settings(deadline=None, max_examples=60)
@given(arrays(float, st.integers(1, 6), elements=st.floats(0, 1)))
def test_holm_is_the_closed_test(p: np.ndarray) -> None:
    np.testing.assert_allclose(holm(p), by_closed_testing(p))


def test_holm_by_hand() -> None:
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    assert len(holm(np.array([]))) == 0


def test_holm_keeps_false_rejections_rare() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(size=(4000, 5))
    assert np.mean([bool((holm(each) <= 0.05).any()) for each in p]) == pytest.approx(
        1 - 0.99**5, abs=0.012
    )


def test_what_is_refused() -> None:
    two, three = np.zeros(2), np.zeros(3)
    with pytest.raises(DataError, match="3 and 2 scores for 3 texts"), as_users_run_it():
        paired_difference(three, two, np.arange(3))
    with pytest.raises(DataError, match="0 and 0 scores for 0 texts"):
        paired_difference(two[:0], two[:0], np.arange(0))
    with pytest.raises(NonFiniteError, match="judge's scores"):
        paired_difference(two + np.nan, two, np.arange(2))
    with pytest.raises(ArgumentError, match=r"confidence=1\.0"):
        paired_difference(two, two, np.arange(2), confidence=1.0)
    with pytest.raises(DataError, match="Got 1 controls"):
        sigma_above(1.0, np.ones(1))
    with pytest.raises(DataError, match="Got 0 controls"):
        rank_p_value(1.0, np.ones(0))
    with pytest.raises(NonFiniteError, match=r"effect=nan.*is not finite"):
        rank_p_value(float("nan"), np.ones(3))
    with pytest.raises(DataError, match="1 controls have no standard deviation"):
        chance_of_sigma(2.0, 1)
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(DataError, match="between 0 and 1"):
            holm(np.array([0.5, wrong]))
