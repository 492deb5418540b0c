"""The operating point of small models: every number is that of a run of its own."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrating import SAMPLING, TEST, VALIDATION, calibrated, directions
from controls_of import JUDGE
from making import shared_model
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.dosing import mean_kl
from tl_steer.experiments import _workers as workers
from tl_steer.experiments._constraints import Constraints
from tl_steer.metrics import perplexity


def test_every_number_is_that_of_a_run_of_its_own(model: Any) -> None:
    found = calibrated(model)
    assert found.chosen is not None
    assert found.test is not None
    for prompts, frame in ((VALIDATION, found.curve), (TEST, found.test)):
        none = np.mean(JUDGE(ts.generate(model, prompts, None, SAMPLING, progress=False).texts))
        rows = frame if prompts is TEST else frame.iloc[[0, 2, -1]]
        for _, row in rows.iterrows():
            steering = None
            if row["direction"] != "none":
                steering = ts.Steering(ts.Add(directions(model)[row["hook_name"]], row["strength"]))
            alone = ts.generate(model, prompts, steering, SAMPLING, progress=False)
            assert row["texts"] == len(prompts) * 2
            assert row[JUDGE.name] == pytest.approx(np.mean(JUDGE(alone.texts)))
            assert row["effect"] == pytest.approx(np.mean(JUDGE(alone.texts)) - none)
            (own,) = perplexity(model, alone).values()
            assert row["perplexity"] == pytest.approx(own, rel=1e-3)
            if steering is not None:
                kl = mean_kl(model, prompts, steering)
                assert row["kl"] == pytest.approx(kl, rel=1e-2, abs=1e-6)
    steered = ts.generate(model, TEST, found.steering, SAMPLING, progress=False)
    told = found.swept.of(prompts="test", direction=found.chosen.name).texts
    assert told["text"].tolist() == steered.texts
    allowed = found.curve[found.curve["feasible"] & (found.curve["direction"] != "none")]
    best = allowed.loc[allowed[JUDGE.name].idxmax()]
    assert (best["hook_name"], best["strength"]) == (found.chosen.hook_name, found.chosen.strength)
    assert (allowed["perplexity_ratio"] <= 1.3).all()
    assert set(found.curve["hook_name"]) == {"", *directions(model)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [1, -1])
def test_at_one_kl(kind: str, way: int) -> None:
    model = shared_model(kind, "llama")
    free = Constraints(perplexity_ratio=100.0, repetition=1.0)
    found = calibrated(model, kl=0.1, way=way, most=5.0, constraints=free)
    steered = found.curve.iloc[1:]
    assert len(steered) == 3
    for _, row in steered.iterrows():
        assert np.sign(row["strength"]) == np.sign(row["dose"]) == way
        add = ts.Add(directions(model)[row["hook_name"]], row["strength"])
        assert 0.097 <= mean_kl(model, VALIDATION, ts.Steering(add)) <= 0.101
    assert found.chosen is not None
    scores = steered.set_index("hook_name")[JUDGE.name]
    assert way * scores[found.chosen.hook_name] == max(way * scores)
    assert "3 tries of 3 directions at KL 0.1 nats" in repr(found)


def test_a_kl_that_is_not_reached() -> None:
    """The token after the prompt is drawn before anything is added."""
    model = shared_model("bridge", "llama")
    found = calibrated(model, kl=0.1, scope=ts.generated)
    assert found.chosen is None
    assert found.curve["texts"].tolist() == [8, 0, 0, 0]
    assert found.curve["why_not"].iloc[1].startswith("KL 0 nats at dose")
    assert "no direction reaches that KL" in found.notes[0]
    # One that would need more than is allowed is not written with either.
    doses = calibrated(model, kl=0.1, most=9.0).curve.iloc[1:]["dose"]
    most = float(doses.min())
    found = calibrated(model, kl=0.1, most=most)
    late = found.curve.iloc[1:].loc[found.curve["texts"] == 0]
    assert 0 < len(late) == (doses > most).sum()
    assert late["why_not"].str.contains(f"over {most:g}", regex=False).all()
    assert (late["dose"] > most).all()
    assert "was not reached within the limits by" in " ".join(found.notes)


def test_all_directions_are_tried_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counting(model: Any, prompts: Any, steerings: Any, *rest: Any, **more: Any) -> Any:
        sizes.append(len(steerings))
        return ts.compare(model, prompts, steerings, *rest, **more)

    monkeypatch.setattr(workers, "compare", counting)
    found = calibrated(shared_model("bridge", "llama"))
    assert sizes[0] == 1 + 3
    assert sizes[-1] == 2
    assert len(sizes) == found.curve["round"].max() + 1 <= 5
    assert sum(sizes) == len(found.curve) + 2


def loaded() -> Any:
    return small_model("bridge", "llama")


@pytest.mark.parametrize("kl", [None, 0.1])
def test_a_function_that_loads_the_model(kl: float | None) -> None:
    model = shared_model("bridge", "llama")
    plain, by_factory = calibrated(model, kl=kl), calibrated(loaded, kl=kl)
    columns = [name for name in plain.curve if name != "cell"]
    pd.testing.assert_frame_equal(plain.curve[columns], by_factory.curve[columns])
    assert (plain.chosen is None) == (by_factory.chosen is None)
