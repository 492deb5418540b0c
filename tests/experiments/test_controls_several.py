"""Several directions beside their controls: what is shared, further seeds, and going on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from controls_of import INSTRUCTION, JUDGE, PROMPTS, REVIEWS, SITE, Share, model_of
from grouped import grouped
from making import as_users_run_it, direction, hooks_of
from models import KINDS

import tl_steer as ts
from tl_steer.controls import ControlsResult
from tl_steer.errors import SteerError
from tl_steer.experiments import Run, _workers as workers
from tl_steer.experiments._controls import against_controls, each_against_controls
from tl_steer.experiments._store import CellStore
from tl_steer.statistics import paired_difference

THERE = "blocks.2.hook_resid_post"
SAMPLING = ts.Sampling(max_new_tokens=4, samples=2, seed=3)
CONTROLS = ts.experiments.Controls(
    kl=0.1, n_random=3, n_orthogonal=1, instruction=INSTRUCTION, seed=5
)
FEW = ts.experiments.Controls(dose=0.2, n_random=2, n_orthogonal=1)


def directions(kind: str = "bridge") -> dict[str, ts.Direction]:
    """Two at one hook point, of unlike norms, and one at another."""
    model = model_of(kind)
    return {
        "joy": direction(model, SITE),
        "film": direction(model, SITE, 1) * 2.5,
        "there": direction(model, THERE, 2),
    }


def each(model: Any = None, **changes: Any) -> dict[str, ControlsResult]:
    asked = {
        "prompts": PROMPTS, "directions": directions(), "judge": JUDGE, "sampling": SAMPLING,
        "controls": FEW, "progress": False, **changes,
    }  # fmt: skip
    return each_against_controls(model or model_of("bridge"), **grouped(asked, run=Run))


def files(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted((folder / "cells").glob("*.parquet"))}


@cache
def of_two_seeds() -> ControlsResult:
    (answer,) = each(directions={"joy": directions()["joy"]}, seeds=(1, 2)).values()
    return answer


def assert_same(found: dict[str, ControlsResult], expected: dict[str, ControlsResult]) -> None:
    assert list(found) == list(expected)
    for name, one in found.items():
        pd.testing.assert_frame_equal(one.frame, expected[name].frame)
        pd.testing.assert_frame_equal(one.comparisons, expected[name].comparisons)
        pd.testing.assert_frame_equal(one.generations.frame, expected[name].generations.frame)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_what_it_is_alone(kind: str) -> None:
    model = model_of(kind)
    acts = ts.capture(model, REVIEWS, at=[SITE, THERE], progress=False)
    before = hooks_of(model)
    controls = replace(CONTROLS, shuffled=acts)
    together = each(model, directions=directions(kind), controls=controls)
    assert len({one.frame.loc[0, "strength"] for one in together.values()}) == 3
    for name, one in directions(kind).items():
        alone = against_controls(
            model, PROMPTS, one, JUDGE, SAMPLING, controls, run=Run(progress=False)
        )
        found = together[name]
        assert found.generations.texts == alone.generations.texts
        pd.testing.assert_frame_equal(found.frame, alone.frame, rtol=1e-4, atol=1e-6)
        pd.testing.assert_frame_equal(found.comparisons, alone.comparisons)
        assert str(found.effect) == str(alone.effect)
    assert hooks_of(model) == before


def test_controls_have_the_norm_and_place_of_what_they_stand_beside() -> None:
    given = directions()
    for name, answer in each().items():
        assert len(answer.directions) == 4
        for control in answer.directions.values():
            assert control.norm == pytest.approx(given[name].norm, rel=1e-5)
            assert control.hook_name == given[name].hook_name
        added = answer.frame[answer.frame["name"].isin(list(answer.directions))]
        assert added["dose"].tolist() == pytest.approx([0.2] * 4)


def test_what_is_shared_is_written_once() -> None:
    asked: list[int] = []

    class Counted(Share):
        def __call__(self, texts: Sequence[str]) -> list[float]:
            asked.append(len(texts))
            return super().__call__(texts)

    found = each(judge=Counted("good"), controls=replace(FEW, instruction=INSTRUCTION))
    # Three directions, two random ones at each of two hook points, three orthogonal ones, the
    # instruction, and no steering.
    assert sum(asked) == (3 + 2 * 2 + 3 + 1 + 1) * len(PROMPTS) * SAMPLING.samples
    joy, film, there = (one.generations for one in found.values())
    for name in ("random 1", "random 2", "instruction", "none"):
        assert joy.of(name).texts == film.of(name).texts
    assert joy.of("none").texts == there.of("none").texts
    assert joy.of("random 1").texts != there.of("random 1").texts
    assert joy.of("orthogonal 1").texts != film.of("orthogonal 1").texts


def test_texts_of_all_seeds_are_in_the_means() -> None:
    answer, model = of_two_seeds(), model_of("bridge")
    for row in answer.frame.to_dict("records"):
        add = None
        if row["name"] in answer.directions:
            add = ts.Steering(ts.Add(answer.directions[row["name"]], row["strength"]))
        scores = []
        for seed in (1, 2):
            drawn = replace(SAMPLING, seed=seed)
            own = ts.generate(model, PROMPTS, add, drawn, progress=False).texts
            kept = answer.generations.of(row["name"]).frame
            assert own == kept.loc[kept["seed"] == seed, "text"].tolist()
            scores += JUDGE(own)
        assert row["judge"] == pytest.approx(np.mean(scores))
    assert answer.frame["effect"].iloc[0] != 0


def test_intervals_of_several_seeds_are_over_prompts() -> None:
    answer = of_two_seeds()
    keys = ["prompt_index", "seed", "sample"]
    scores = answer.generations.frame.set_index(["condition", *keys])["score"].unstack(0)
    assert len(scores) == len(PROMPTS) * 2 * SAMPLING.samples
    prompt = scores.index.get_level_values("prompt_index").to_numpy()
    for kind in ("none", "random"):
        theirs = scores[[name for name in scores if name.startswith(kind)]].mean(axis=1)
        by_hand = paired_difference(scores["direction"].to_numpy(), theirs.to_numpy(), prompt)
        row = answer.comparisons.loc[kind]
        assert row[["difference", "low", "high"]].tolist() == pytest.approx(
            [by_hand.estimate, by_hand.low, by_hand.high]
        )


def test_samples_of_several_seeds_are_numbered_on() -> None:
    generations = of_two_seeds().generations
    own = generations.of("direction").frame
    assert own.groupby("prompt_index")["sample"].apply(sorted).tolist() == [[0, 1, 2, 3]] * 4
    wide = generations.side_by_side()
    assert len(wide) == len(PROMPTS) * 4
    assert not wide.isna().any(axis=None)


def test_finished_conditions_are_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = each(seeds=(1, 2))
    assert_same(each(seeds=(1, 2), folder=tmp_path), expected)
    with monkeypatch.context() as patch:
        # At one dose, nothing at all is to be read by the model.
        patch.setattr(type(model_of("bridge")), "forward", None)
        assert_same(each(seeds=(1, 2), folder=tmp_path), expected)


def test_an_end_in_the_middle_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"controls": CONTROLS, "rows": 16}
    expected, written = each(**asked), list[str]()
    write: Callable[..., None] = CellStore.write

    def until(self: CellStore, key: str, texts: pd.DataFrame) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(key)
        write(self, key, texts)

    with monkeypatch.context() as patch:
        patch.setattr(CellStore, "write", until)
        with pytest.raises(KeyboardInterrupt):
            each(**asked, folder=tmp_path)
    kept = files(tmp_path)
    assert len(kept) == 5
    assert_same(each(**asked, folder=tmp_path), expected)
    assert kept.items() <= files(tmp_path).items()


@pytest.mark.parametrize("controls", [FEW, CONTROLS], ids=["dose", "kl"])
def test_one_direction_more_writes_only_what_is_new(
    tmp_path: Path, controls: ts.experiments.Controls
) -> None:
    first = each(directions={"joy": directions()["joy"]}, controls=controls, folder=tmp_path)
    before = files(tmp_path)
    assert_same({"joy": each(controls=controls, folder=tmp_path)["joy"]}, first)
    new = files(tmp_path).keys() - before.keys()
    # The two directions, what is at right angles to them, and random ones at the other place.
    assert len(new) == 2 + 2 * controls.n_orthogonal + controls.n_random
    assert before.items() <= files(tmp_path).items()


def test_a_factory_is_as_good_as_a_model() -> None:
    expected = each()
    workers._loaded.clear()
    with joblib.parallel_config(backend="sequential"):
        found = each(lambda: model_of("bridge"))
    workers._loaded.clear()
    assert_same(found, expected)


@pytest.mark.parametrize(
    ("name", "number"),
    [("kl", -0.1), ("dose", 0.0), ("n_random", 1), ("n_orthogonal", -1), ("confidence", 0.0)],
)
def test_controls_that_cannot_be(name: str, number: float) -> None:
    with pytest.raises(SteerError, match=f"{name}={number}"):
        ts.experiments.Controls(**{name: number})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"directions": {}}, "no direction came by name"),
        ({"directions": ["joy"]}, "expected a dict of Directions or LayerRuns, got a list"),
        ({"directions": {"joy": [1.0]}}, "the value of 'joy' is a list"),
        ({"prompts": "the film"}, "expected a list of texts"),
        ({"prompts": ()}, "a list of prompts"),
        ({"seeds": (1, 1)}, "each of them once"),
        ({"controls": replace(CONTROLS, kl=1e4)}, "^joy changes .* nats at most, and kl=10000"),
        ({"rows": 0}, "rows=0"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SteerError, match=says), as_users_run_it():
        each(**changes)


def test_a_lambda_is_a_scope_where_nothing_is_kept(tmp_path: Path) -> None:
    def mine(context: Any) -> Any:
        return context.real

    alone = {"joy": directions()["joy"]}
    assert_same(each(directions=alone, scope=mine), each(directions=alone))
    with pytest.raises(SteerError, match="cannot be told from others"):
        each(directions=alone, scope=mine, folder=tmp_path)
    assert not files(tmp_path)
