"""Examples and prompts: chosen and counted by rule."""

import numpy as np
import pandas as pd
import pytest
from frames_of import GAINS, JUDGE, PROMPTS, controlled_of, texts_of_cells
from hypothesis import given, settings, strategies as st
from scipy import stats

from tl_steer.errors import ArgumentError, DataError
from tl_steer.reports._examples import examples
from tl_steer.reports._per_prompt import (
    anti_steerable,
    effects_per_prompt,
    of_setting,
    paired,
    texts_of,
)


def scored(effects: list[float], *, strength: float = 1.0) -> pd.DataFrame:
    """One sample a prompt, with exactly these effects."""
    texts = texts_of_cells(
        prompts=[f"p{n}" for n in range(len(effects))], samples=1, strength=strength
    )
    steered = texts["direction"] != "none"
    texts[JUDGE] = np.where(steered, [*effects, *effects], 0.0)
    return texts


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12), st.integers(1, 4))
def test_examples_are_the_ends_and_the_middle_of_the_ranking(
    effects: list[int], count: int
) -> None:
    found = examples(scored([float(e) for e in effects]), JUDGE, count=count)
    ordered = sorted(effects, reverse=True)
    assert [ordered[rank - 1] for rank in found["rank"]] == list(found["effect"])
    assert len(set(found["rank"])) == len(found) == min(3 * count, len(effects))
    assert set(found["of"]) == {len(effects)}
    best = found[found["which"] == "best"]
    assert sorted(best["rank"]) == list(range(1, min(count, len(effects)) + 1))
    assert found["rank"].max() == len(effects)


def test_of_a_negative_dose_the_best_is_the_one_that_fell_most() -> None:
    found = examples(scored([0.1, -0.4, -0.1], strength=-1.0), JUDGE)
    assert list(found["which"]) == ["best", "median", "worst"]
    assert list(found["effect"]) == [-0.4, -0.1, 0.1]
    assert list(found["prompt"]) == ["p1", "p2", "p0"]


def test_equal_effects_are_ranked_by_their_place_and_not_by_the_frame() -> None:
    texts = scored([0.5] * 5)
    found = examples(texts, JUDGE)
    again = examples(texts.sample(frac=1, random_state=0), JUDGE)
    pd.testing.assert_frame_equal(found, again)
    assert list(found["prompt_index"]) == [0, 2, 4]


def test_a_text_without_a_score_is_not_ranked() -> None:
    found = examples(scored([0.1, float("nan"), 0.3]), JUDGE)
    assert list(found["effect"]) == [0.3, 0.1]
    assert set(found["of"]) == {2}


def test_each_text_stands_beside_that_of_its_own_prompt_sample_and_seed() -> None:
    texts = pd.concat([texts_of_cells(seed=seed, prompts=PROMPTS[:3]) for seed in (0, 1)])
    found = paired(texts.sample(frac=1, random_state=1), JUDGE)
    assert len(found) == 3 * 4 * 2
    for row in found.to_dict("records"):
        end = f"number {row['sample']} of prompt {row['prompt_index']}."
        assert row["steered"] == f" a steered text, {end}"
        assert row["unsteered"] == f" a plain text, {end}"
        assert row["effect"] == row["score_steered"] - row["score_unsteered"]


def test_effects_of_prompts_are_means_with_intervals_of_student() -> None:
    texts = texts_of_cells(samples=5)
    found = effects_per_prompt(texts, JUDGE, confidence=0.9)
    assert list(found["effect"]) == sorted(found["effect"], reverse=True)
    pairs = paired(texts, JUDGE)
    for row in found.to_dict("records"):
        own = pairs.loc[pairs["prompt_index"] == row["prompt_index"], "effect"]
        wanted = stats.ttest_1samp(own, 0).confidence_interval(0.9)
        assert (row["low"], row["high"]) == pytest.approx((wanted.low, wanted.high))
        assert row["effect"] == pytest.approx(own.mean())
        assert row["sure"] == (wanted.low > 0 or wanted.high < 0)
    assert set(found["samples"]) == {5}


@pytest.mark.parametrize("strength", [2.0, -2.0])
def test_the_planted_anti_steerable_prompts_are_found(strength: float) -> None:
    found = effects_per_prompt(texts_of_cells(strength=strength, anti=[1, 5, 6]), JUDGE)
    worst = anti_steerable(found)
    assert set(worst["prompt_index"]) == {1, 5, 6}
    ways = strength * worst["effect"]
    assert (ways < 0).all()
    assert ways.is_monotonic_increasing


def test_one_sample_has_no_interval_and_no_score_no_effect() -> None:
    texts = scored([0.1, float("nan"), -0.2])
    found = effects_per_prompt(texts, JUDGE).set_index("prompt")
    assert found[["low", "high"]].isna().all(axis=None)
    assert not found["sure"].any()
    assert found.loc["p1", "samples"] == 0
    assert list(anti_steerable(effects_per_prompt(texts, JUDGE))["prompt"]) == ["p2"]


def test_a_setting_is_found_among_many_with_its_own_baseline() -> None:
    texts = pd.concat(
        [
            texts_of_cells(),
            texts_of_cells(strength=1.0).query("direction != 'none'"),
            texts_of_cells("leace").query("direction != 'none'"),
            texts_of_cells("other", prompts=["x"], seed=7),
        ]
    )
    own = of_setting(texts, "mean difference", strength=2.0)
    assert set(own["direction"]) == {"mean difference", "none"}
    assert len(own) == 2 * 64
    assert set(own["seed"]) == {0}
    with pytest.raises(DataError, match="2 settings came"):
        of_setting(texts, "mean difference")
    with pytest.raises(DataError, match=r"no texts\. There are the directions"):
        of_setting(texts, "mean difference", strength=3.0)
    with pytest.raises(DataError, match="no texts"):
        of_setting(texts, "leace", hook_name="blocks.2.hook_mlp_out")
    with pytest.raises(DataError, match="no texts"):
        of_setting(texts, "leace", scope="prompt")


def test_texts_behind_sigma_are_read_like_those_of_a_sweep() -> None:
    controlled = controlled_of(0.2)
    texts = texts_of("joy", controlled)
    assert set(texts["direction"]) == {"joy", "none"}
    assert paired(texts, JUDGE)["effect"].mean() == pytest.approx(controlled.effect.estimate)
    assert set(texts.loc[texts["direction"] == "joy", "layer"]) == {17}


def test_texts_that_cannot_be_compared_are_refused() -> None:
    texts = texts_of_cells(prompts=PROMPTS[:2])
    steered = texts[texts["direction"] != "none"]
    with pytest.raises(DataError, match="8 of 8 steered texts have no unsteered one"):
        paired(steered, JUDGE)
    with pytest.raises(DataError, match="all texts are without steering"):
        paired(texts[texts["direction"] == "none"], JUDGE)
    with pytest.raises(DataError, match="several unsteered texts"):
        paired(pd.concat([texts, texts[texts["direction"] == "none"]]), JUDGE)
    with pytest.raises(DataError, match="2 settings came"):
        paired(pd.concat([texts, texts_of_cells("leace", prompts=PROMPTS[:2])]), JUDGE)
    with pytest.raises(DataError, match="no score of sentiment is finite"):
        paired(texts.assign(**{JUDGE: float("nan")}), JUDGE)
    with pytest.raises(DataError, match=r"lacks \['vader'\]"):
        effects_per_prompt(texts, "vader")
    with pytest.raises(ArgumentError, match="confidence=95"):
        effects_per_prompt(texts, JUDGE, confidence=95)
    with pytest.raises(ArgumentError, match="count=0"):
        examples(texts, JUDGE, count=0)
    assert set(GAINS) >= set(steered["direction"])
