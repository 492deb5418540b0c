"""What people said of each condition, beside automatic judges, and as a picture."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from making_people import of_item, rated, saved, texts
from scipy import stats

import tl_steer as ts
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, NonFiniteError
from tl_steer.generation import Generations
from tl_steer.people._ratings import Ratings
from tl_steer.people._read_back import read_ratings
from tl_steer.people._sheet import rating_sheet
from tl_steer.statistics import paired_difference

pytestmark = pytest.mark.once

NONE = None


def planted(folder: Path, kind: str = "single") -> Ratings:
    """Three raters, each of whom sees that joy is better than nothing, and one is milder."""
    sheet = rating_sheet(texts(("none", "joy")), question="How?", kind=kind, repeats=0.2)
    condition, side = of_item(sheet, "condition"), of_item(sheet, "side")

    def single(item: str, shift: int) -> str:
        return str((4 if condition[item] == "joy" else 1) + shift)

    def pair(item: str, shift: int) -> str:
        # `condition` of the pairs is "none": joy stands on the other side.
        return "same" if shift else {"first": "second", "second": "first"}[side[item]]

    write = pair if kind == "pair" else single
    names = {"Ann": 0, "Ben": 0, "Cem": 1}
    answers = {name: (lambda item, by=shift: write(item, by)) for name, shift in names.items()}
    return read_ratings(saved(sheet, folder, answers))


def test_a_planted_difference_is_found(tmp_path: Path) -> None:
    found = planted(tmp_path).summary(baseline="none")
    assert found["rating"].to_dict() == pytest.approx({"joy": 13 / 3, "none": 4 / 3})
    assert found.loc["joy", ["difference", "difference_low", "difference_high"]].tolist() == [3] * 3
    assert found.loc["none", "difference"] == 0
    assert found[["texts", "prompts", "ratings"]].to_numpy().tolist() == [[12, 6, 36]] * 2


def test_a_planted_preference_is_found(tmp_path: Path) -> None:
    ratings = planted(tmp_path, "pair")
    found = ratings.summary()
    assert found["preferred"].to_dict() == pytest.approx({"none": 1 / 6, "joy": 5 / 6})
    assert found[["won", "lost"]].to_numpy().tolist() == [[0, 6], [6, 0]]
    assert found["p_value"].tolist() == pytest.approx([2 / 2**6] * 2)
    # Turned round when they are shown again, and so answered by the text and not by its place.
    assert (ratings.agreement(draws=20).consistency["same"] == 1).all()


def test_intervals_are_those_of_the_texts_over_prompts() -> None:
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(6), 3)
    given = {name: [float(v) for v in rng.integers(1, 6, 18)] for name in "AB"}
    given["B"][4] = float("nan")
    ratings = rated(given, prompt_index=prompts, sample=np.tile(np.arange(3), 6))
    means = np.nanmean(np.array([given["A"], given["B"]]), axis=0)
    wanted = paired_difference(means, np.zeros(18), prompts, seed=5, confidence=0.8)
    row = ratings.summary(seed=5, confidence=0.8).loc["a"]
    assert (row["rating"], row["low"], row["high"]) == pytest.approx(
        (wanted.estimate, wanted.low, wanted.high)
    )
    assert row["ratings"] == 35


def test_the_sign_test_is_over_prompts_without_ties() -> None:
    shares = {"A": [1, 1, 1, 0, 0.5, 0.5, 1, 0]}
    prompts = [0, 0, 1, 2, 3, 3, 4, 4]
    found = rated(shares, prompt_index=prompts, sample=[0, 1, 0, 0, 0, 1, 0, 1], other=["b"] * 8)
    row = found.summary().loc["a"]
    assert (row["won"], row["lost"], row["prompts"], row["pairs"]) == (2, 1, 5, 8)
    assert row["p_value"] == pytest.approx(stats.binomtest(2, 3).pvalue)
    ties = rated({"A": [0.5, 0.5]}, other=["b"] * 2).summary()
    assert ties["p_value"].tolist() == [1, 1]


def test_the_sign_test_is_wrong_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(1)
    p_values = [
        rated({"A": [float(v) for v in rng.integers(0, 2, 30)]}, other=["b"] * 30)
        .summary()
        .loc["a", "p_value"]
        for _ in range(120)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_skips_and_gaps_change_no_mean_and_conditions_without_answers_stay() -> None:
    found = rated({"A": [4, NONE, NONE], "B": [NONE, 2, NONE]}, condition=["a", "a", "b"])
    summary = found.summary()
    assert summary.loc["a", "rating"] == 3
    assert np.isnan(summary.loc["b", "rating"])
    assert summary.loc["b", "texts"] == 0


def test_people_beside_judges() -> None:
    rng = np.random.default_rng(0)
    given = rng.integers(1, 6, 40).astype(float)
    ratings = rated({"A": given.tolist()}, prompt_index=np.arange(40) // 2, sample=[0, 1] * 20)
    judged = ratings.frame[["condition", "prompt_index", "sample"]].assign(
        same=np.exp(given), opposite=-given, noise=rng.normal(size=40), flat=1.0
    )
    shuffled = judged.sample(frac=1, random_state=0)
    found = ratings.beside(shuffled, judges=["same", "opposite", "noise", "flat"])
    assert found["spearman"].tolist()[:2] == pytest.approx([1, -1])
    assert found.loc["same", ["low", "high"]].tolist() == pytest.approx([1, 1])
    noise = found.loc["noise"]
    assert noise["spearman"] == pytest.approx(stats.spearmanr(given, judged["noise"]).statistic)
    assert noise["low"] < noise["spearman"] < noise["high"]
    assert np.isnan(found.loc["flat", ["spearman", "low", "high"]].to_numpy(float)).all()
    assert (found["texts"] == 40).all()
    made = Generations(judged.assign(prompt="", text=""), ts.Sampling())
    pd.testing.assert_frame_equal(ratings.beside(made, judges=["noise"]), found.loc[["noise"]])


def test_pairs_beside_judges_are_set_against_the_difference_of_the_scores() -> None:
    shares = {"A": [1.0, 0.0, 0.5, 1.0]}
    ratings = rated(shares, other=["b"] * 4)
    scores = {"a": [3, 1, 2, 9], "b": [1, 3, 2, 8]}
    judged = pd.DataFrame(
        [
            {"condition": name, "prompt_index": place, "sample": 0, "judge": score}
            for name, column in scores.items()
            for place, score in enumerate(column)
        ]
    )
    found = ratings.beside(judged, judges=["judge"]).loc["judge", "spearman"]
    assert found == pytest.approx(stats.spearmanr([1, 0, 0.5, 1], [2, -2, 0, 1]).statistic)


def test_what_cannot_be_compared_is_refused() -> None:
    ratings = rated({"A": [1, 2, 3]})
    judged = ratings.frame[["condition", "prompt_index", "sample"]].assign(judge=1.0)
    cases = [
        (judged, [], DataError, "name the columns"),
        (judged, ["other"], DataError, "lack \\['other'\\]"),
        (judged.iloc[1:], ["judge"], DataError, "1 rated texts are not .* prompt 0"),
        (pd.concat([judged, judged]), ["judge"], DataError, "more than once"),
        (judged.assign(judge="good"), ["judge"], DataError, "not numbers"),
        (judged.assign(judge=np.nan), ["judge"], NonFiniteError, "NaN"),
    ]
    for frame, judges, kind, words in cases:
        with pytest.raises(kind, match=words):
            ratings.beside(frame, judges=judges)
    with pytest.raises(DataError, match="baseline='z'"):
        ratings.summary(baseline="z")
    with pytest.raises(DataError, match="two conditions already"):
        rated({"A": [1]}, other=["b"]).summary(baseline="a")
    with pytest.raises(DataError, match="No item has an answer"):
        rated({"A": [NONE, NONE]}).summary()


@pytest.mark.parametrize("kind", ["single", "pair"])
def test_the_picture_and_the_words_show_every_condition(tmp_path: Path, kind: str) -> None:
    ratings = planted(tmp_path, kind)
    figure = ratings.plot()
    (axes,) = figure.axes
    assert {label.get_text() for label in axes.get_yticklabels()} == {"none", "joy"}
    assert figure.get_suptitle() == "How?"
    assert figure_png(figure).startswith(b"\x89PNG")
    for text in (repr(ratings), ratings._repr_html_()):
        assert "joy" in text
        assert "none" in text
        assert "3 raters" in text


def test_nothing_answered_is_still_readable() -> None:
    empty = rated({"<A>": [NONE, NONE]})
    assert "0 answers of 1 rater" in repr(empty)
    assert "<table" not in empty._repr_html_()
