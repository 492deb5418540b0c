"""The search, on a made-up model whose best place and strength are known."""

from collections.abc import Mapping

import pandas as pd
import pytest

from tl_steer.demo.candidate import Candidate
from tl_steer.demo.search import DISTINCT_LIMIT, PERPLEXITY_LIMIT, STEP, STEPS, Measured, search
from tl_steer.errors import SteerError

SITE = "hook_resid_post"
BASE = 10.0


def made_up(
    effect: Mapping[int, float], cost: float, distinct_loss: float = 0.0
) -> tuple[list[str], Measured]:
    """Judge moves by effect[first layer] × strength; perplexity grows by cost × strength²."""
    asked: list[str] = []

    def measured(candidates: Mapping[str, Candidate]) -> pd.DataFrame:
        asked.extend(candidates)
        rows = {
            name: {
                "sentiment": 0.5 + effect[one.first] * one.strength,
                "perplexity": BASE * (1 + cost * one.strength**2),
                "distinct_2": 0.8 - distinct_loss * abs(one.strength),
            }
            for name, one in candidates.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    return asked, measured


UNSTEERED = pd.DataFrame({"sentiment": 0.5, "perplexity": BASE, "distinct_2": 0.8}, index=["none"])


def place(first: int, strength: float = 1.0) -> Candidate:
    return Candidate(SITE, first, first, strength)


def test_the_place_with_the_largest_spread_is_chosen() -> None:
    _, measured = made_up({3: 0.1, 7: 0.2, 9: 0.05}, cost=0.01)
    choice = search(measured, UNSTEERED, [place(3), place(7), place(9)], margin=1.0)
    assert choice.positive.first == choice.negative.first == 7
    assert choice.negative.strength < 0 < choice.positive.strength


def test_a_place_beyond_the_limits_is_not_chosen_for_its_effect() -> None:
    _, measured = made_up({3: 0.1, 7: 0.2}, cost=0.05)
    choice = search(measured, UNSTEERED, [place(3, 1.0), place(7, 8.0)], margin=1.0)
    assert choice.positive.first == 3


@pytest.mark.parametrize("cost", [0.05, 0.12, 0.3, 0.9, 2.0])
def test_the_strongest_step_within_the_limit_is_chosen(cost: float) -> None:
    _, measured = made_up({3: 0.1}, cost=cost)
    choice = search(measured, UNSTEERED, [place(3)], margin=1.0)
    steps = [STEP**power for power in range(-STEPS, STEPS + 1)]
    allowed = [step for step in steps if 1 + cost * step**2 <= PERPLEXITY_LIMIT]
    assert choice.positive.strength == pytest.approx(max(allowed))
    assert choice.negative.strength == pytest.approx(-max(allowed))


def test_a_margin_under_one_spends_less_of_the_limit() -> None:
    _, measured = made_up({3: 0.1}, cost=0.3)
    whole = search(measured, UNSTEERED, [place(3)], margin=1.0)
    half = search(measured, UNSTEERED, [place(3)], margin=0.5)
    assert half.positive.strength < whole.positive.strength


def test_text_that_repeats_itself_is_not_chosen() -> None:
    _, measured = made_up({3: 0.1}, cost=0.0, distinct_loss=DISTINCT_LIMIT / 1.3)
    choice = search(measured, UNSTEERED, [place(3)], margin=1.0)
    assert choice.positive.strength == pytest.approx(STEP)


def test_nothing_is_measured_twice_and_all_is_kept() -> None:
    asked, measured = made_up({3: 0.1, 7: 0.2}, cost=0.01)
    choice = search(measured, UNSTEERED, [place(3), place(7)], margin=1.0)
    assert len(asked) == len(set(asked))
    assert list(choice.curve.index) == ["unsteered", *asked]
    assert choice.curve["perplexity_ratio"]["unsteered"] == 1.0


def test_nothing_within_the_limit_is_said() -> None:
    _, measured = made_up({3: 0.1}, cost=50.0)
    with pytest.raises(SteerError, match=r"blocks\.3\.hook_resid_post: even strength"):
        search(measured, UNSTEERED, [place(3)], margin=1.0)
