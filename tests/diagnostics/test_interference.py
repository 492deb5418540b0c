"""Interference: what several interventions do alone, together, and without one."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from making import direction
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.diagnostics._interference import interference
from tl_steer.errors import DataError

ONE, TWO, THREE = "blocks.0.hook_mlp_out", "blocks.1.hook_resid_post", "blocks.2.hook_resid_post"
PROMPTS = ["the film was", "a movie", "i saw the"]
SAMPLING = ts.Sampling(max_new_tokens=6, samples=4, temperature=1.0, seed=0)


class Counting:
    """The share of a word among all words."""

    def __init__(self, word: str) -> None:
        self.name = f"share of {word}"
        self.word = word

    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [text.split().count(self.word) / max(len(text.split()), 1) for text in texts]


JUDGES = [Counting("good"), Counting("plot")]


def steering_of(model: Any, *names: str) -> ts.Steering:
    adds = {f"at_{i}": ts.Add(direction(model, name), 2.0) for i, name in enumerate(names)}
    return ts.Steering(**adds)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("places", [(ONE, TWO), (ONE, TWO, THREE)])
def test_every_number_is_that_of_a_run_of_its_own(kind: str, places: tuple[str, ...]) -> None:
    model = small_model(kind)
    steering = steering_of(model, *places)
    found = interference(model, PROMPTS, steering, JUDGES, SAMPLING, progress=False)

    def mean(given: ts.Steering | None, judge: Any) -> float:
        texts = ts.generate(model, PROMPTS, given, SAMPLING, progress=False).texts
        return sum(judge(texts)) / len(texts)

    names = list(steering.interventions)
    for judge in JUDGES:
        none, all_of_them = mean(None, judge), mean(steering, judge)
        alone = {}
        for name in names:
            row = found.effects.set_index(["judge", "intervention"]).loc[(judge.name, name)]
            alone[name] = mean(steering.off(*(n for n in names if n != name)), judge) - none
            assert row["alone"] == pytest.approx(alone[name])
            without = mean(steering.off(name), judge)
            assert row["in company"] == pytest.approx(all_of_them - without)
        ends = found.sums.loc[judge.name]
        assert ends["together"] == pytest.approx(all_of_them - none)
        assert ends["sum"] == pytest.approx(sum(alone.values()))
        if abs(ends["sum"]) > 0.01:
            assert ends["subadditivity"] == pytest.approx(1 - ends["together"] / ends["sum"])
        else:
            assert pd.isna(ends["subadditivity"])


def test_cosines_where_there_are_any() -> None:
    model = small_model("bridge")
    add = ts.Add(direction(model, TWO), 1.0)
    wide = ts.Add(direction(model, "blocks.1.mlp.hook_post"), 1.0)
    given = ts.Steering(one=add, same=ts.Add(-1 * add.directions[0], 1.0), wide=wide)
    found = interference(model, PROMPTS, given, JUDGES[:1], SAMPLING, progress=False)
    assert found.gram.loc["one", "same"] == pytest.approx(-1.0)
    assert found.gram.isna().loc["one", "wide"]
    assert found.gram.loc["wide", "wide"] == pytest.approx(1.0)
    assert len(found.plot(JUDGES[0].name).axes) == 1
    assert len(found.heatmap().axes) == 2
    assert "subadditivity" in repr(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(DataError, match="asked were share of good"):
        found.plot("nobody")


def test_two_that_cancel_have_no_sum() -> None:
    model = small_model("bridge")
    add = ts.Add(direction(model, TWO), 2.0)
    given = ts.Steering(up=add, down=ts.Add(direction(model, TWO), -2.0))
    found = interference(model, PROMPTS, given, JUDGES[:1], SAMPLING, progress=False)
    assert abs(found.sums["together"].iloc[0]) < 1e-6


def test_what_is_no_company() -> None:
    model = small_model("bridge")
    steering = steering_of(model, ONE, TWO)
    with pytest.raises(DataError, match="1 interventions that act and 2 judges"):
        interference(model, PROMPTS, steering.off("at_0"), JUDGES, SAMPLING)
    with pytest.raises(DataError, match="2 interventions that act and 0 judges"):
        interference(model, PROMPTS, steering, [], SAMPLING)
