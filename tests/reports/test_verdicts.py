"""Verdicts: that the words say what the numbers are."""

import re
from dataclasses import replace

import numpy as np
import pytest
from frames_of import PROMPTS, controlled_of
from scipy import stats

from tl_steer.errors import ArgumentError, DataError
from tl_steer.reports._verdicts import headline, verdict_table, verdicts
from tl_steer.statistics import holm

pytestmark = pytest.mark.once


def test_every_number_of_the_table_against_scipy_and_corrected_over_all_rows() -> None:
    several = {"joy": controlled_of(0.2), "noise": controlled_of(0.01, seed=3, shuffled=None)}
    table = verdict_table(several)
    assert list(zip(table["direction"], table["control"], strict=True)) == [
        ("joy", "random"),
        ("joy", "shuffled"),
        ("noise", "random"),
    ]
    for row in table.to_dict("records"):
        frame = several[row["direction"]].frame
        controls = frame.loc[frame["kind"] == row["control"], "effect"].to_numpy(float)
        effect = float(frame.loc[frame["kind"] == "direction", "effect"].iloc[0])
        n = len(controls)
        assert row["controls"] == n
        t = (effect - controls.mean()) / (controls.std(ddof=1) * np.sqrt(1 + 1 / n))
        assert row["sigma"] == pytest.approx(t * np.sqrt(1 + 1 / n))
        # A prediction interval's t, in scipy's own words.
        assert row["p"] == pytest.approx(stats.t(n - 1).sf(t))
        assert row["p_rank"] == pytest.approx((1 + (controls >= effect).sum()) / (n + 1))
    np.testing.assert_allclose(table["p_holm"], holm(table["p"].to_numpy(float)))
    np.testing.assert_allclose(table["p_rank_holm"], holm(table["p_rank"].to_numpy(float)))
    assert list(table["beats"]) == [True, True, False]


def test_the_words_say_whether_a_direction_beats_its_controls() -> None:
    said = verdicts(
        {
            "joy": controlled_of(0.2),
            "near": controlled_of(0.12, seed=1),
            "noise": controlled_of(0.0, seed=2),
            "back": controlled_of(-0.2, seed=4),
        }
    )
    assert said["joy"].startswith("joy beats its controls: effect +0.2")
    assert said["near"].startswith(
        "near beats random directions, but not mean differences of shuffled labels: effect +0.1"
    )
    for name in ("noise", "back"):
        assert said[name].startswith(f"{name} does not beat its controls: effect ")
    assert "at KL 0.2 nats, inconclusive; " in said["noise"]
    assert "inconclusive" not in said["joy"] + said["near"] + said["back"]
    assert "σ below" in said["back"]
    assert "instruction" not in said["joy"]
    assert "An instruction in place of a vector does more, by 0." in said["noise"]
    # One sentence, where nothing is to be added.
    assert re.findall(r"\.(?!\d)", said["joy"]) == ["."]


def test_the_numbers_in_the_words_are_those_of_the_table() -> None:
    several = {"joy": controlled_of(0.2), "noise": controlled_of(0.0, seed=2)}
    table, said = verdict_table(several), verdicts(several)
    for row in table.to_dict("records"):
        words = said[row["direction"]]
        assert f"{abs(row['sigma']):.1f} σ {'above' if row['sigma'] > 0 else 'below'}" in words
        assert f"(p = {row['p_holm']:.2g} after Holm)" in words
    for name, each in several.items():
        found = (each.effect.estimate, each.effect.low, each.effect.high)
        digits = 2 if max(map(abs, found)) >= 0.1 else 3
        effect = "{:+.{d}f} [{:.{d}f}, {:.{d}f}]".format(*found, d=digits)
        assert f"effect {effect} at KL 0.2 nats".replace("-", "−") in said[name]


def test_more_directions_make_the_same_one_less_sure() -> None:
    joy = controlled_of(0.08, shuffled=None)
    noise = {f"noise {n}": controlled_of(0.0, shuffled=None, seed=n + 1) for n in range(12)}
    assert bool(verdict_table({"joy": joy})["beats"].iloc[0])
    assert not bool(verdict_table({"joy": joy, **noise})["beats"].iloc[0])


def test_under_no_effect_a_false_success_is_as_rare_as_promised() -> None:
    studies = [{f"d{n}": noise(10 * study + n) for n in range(2)} for study in range(60)]
    false = sum(bool(verdict_table(study)["beats"].any()) for study in studies)
    # 5 % at most of 60 are 3; over 8 would come once in 300 such tests.
    assert false <= 8


def noise(seed: int):
    """An effect that is drawn like those of its controls."""
    effect = 0.04 * float(np.random.default_rng(10_000 + seed).normal())
    return controlled_of(
        effect, controls=10, shuffled=None, others=False, prompts=PROMPTS[:3], samples=1, seed=seed
    )


def test_the_headline_counts() -> None:
    joy, noise = controlled_of(0.3), controlled_of(0.0, seed=2)
    assert headline({"joy": joy}).startswith("joy beats its controls.")
    assert headline({"noise": noise}).startswith("noise does not beat its controls.")
    assert headline({"a": joy, "b": joy}).startswith("All 2 directions beat their controls: a and")
    assert headline({"a": noise, "b": noise}).startswith("None of the 2 directions beats")
    mixed = headline({"a": joy, "b": noise, "c": joy})
    assert mixed.startswith("2 of 3 directions beat their controls: a and c. Not so: b.")
    assert "for 6 comparisons" in mixed


def test_what_did_not_reach_the_kl_is_said() -> None:
    said = verdicts({"joy": controlled_of(0.2, short=["random 2", "shuffled 1"])})["joy"]
    assert "2 additions did not reach that KL (random 2 and shuffled 1)" in said
    assert "did not reach" not in verdicts({"joy": controlled_of(0.2)})["joy"]
    assert "at equal dose" in verdicts({"joy": controlled_of(0.2, kl=None)})["joy"]


def test_one_prompt_has_no_interval_and_beats_nothing() -> None:
    single = controlled_of(0.3, prompts=PROMPTS[:1], samples=4)
    assert not verdict_table({"joy": single})["beats"].any()
    said = verdicts({"joy": single})["joy"]
    assert "without an interval (one prompt)" in said
    assert said.startswith("joy does not beat its controls")


def test_controls_that_do_not_differ_show_nothing() -> None:
    alike = controlled_of(0.3, shuffled=None)
    alike.comparisons.loc["random", "sigma"] = float("nan")
    table = verdict_table({"joy": alike})
    assert table["p"].iloc[0] == 1
    assert not bool(table["beats"].iloc[0])
    assert "random directions do not differ from each other" in verdicts({"joy": alike})["joy"]


def test_a_dearer_text_is_said_to_be_one() -> None:
    joy = controlled_of(0.3)
    frame = joy.frame.copy()
    frame.loc[frame["kind"] == "direction", "perplexity"] = 20.0
    assert "It disturbs the text more" in verdicts({"joy": replace(joy, frame=frame)})["joy"]
    frame["perplexity"] = float("nan")
    assert "perplexity" not in verdicts({"joy": replace(joy, frame=frame)})["joy"]


def test_what_cannot_be_judged_is_refused() -> None:
    joy = controlled_of(0.3)
    bare = replace(joy, comparisons=joy.comparisons.drop(["random", "shuffled"]))
    with pytest.raises(DataError, match="'joy' has no random directions and no shuffled labels"):
        verdict_table({"joy": bare})
    with pytest.raises(ArgumentError, match="alpha=5"):
        verdict_table({"joy": joy}, alpha=5)
    with pytest.raises(DataError, match="no verdict"):
        headline({})
    assert verdict_table({}).empty
