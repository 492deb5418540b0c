"""The operating point, in worlds in which the best one is known."""

import math

import pandas as pd
import pytest
from making import direction
from worlds import (
    AGAIN,
    FRESH,
    HERE,
    PERPLEXITY,
    TEST,
    THERE,
    VALIDATION,
    World,
    calibrated,
    dear,
    model,
    rising,
    two_places,
)

import tl_steer as ts
from tl_steer.experiments._cell import Cell
from tl_steer.experiments._constraints import Constraints
from tl_steer.metrics import repetition
from tl_steer.statistics import paired_difference

NEAR = 1.1
"""The dose that is chosen is within this factor of one over the limit."""


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


@pytest.mark.parametrize("limit", [0.07, 0.13, 0.37, 0.9])
def test_the_largest_dose_that_is_allowed_where_it_does_most(
    patch: pytest.MonkeyPatch, limit: float
) -> None:
    world = World(rising, dear(limit))
    found = calibrated(patch, world)
    assert found.chosen.hook_name == THERE
    assert limit / NEAR <= found.chosen.dose <= limit
    assert found.chosen.name == two_places()[THERE].provenance.method
    assert found.chosen.strength == pytest.approx(
        found.chosen.direction.strength_for(dose=found.chosen.dose)
    )
    (add,) = found.steering.active
    assert (add.direction, add.strength) == (found.chosen.direction, found.chosen.strength)
    assert len(world.doses) <= 2 * 7
    # Both places are tried together, and without steering once.
    assert len(world.asked[0]) == 3
    nothing = [s for cells in world.asked for s in cells if not s["hook_name"]]
    assert [s["prompts"] for s in nothing] == ["validation", "test"]


def test_the_whole_curve_is_kept(patch: pytest.MonkeyPatch) -> None:
    world = World(rising, dear(0.3))
    found = calibrated(patch, world)
    curve = found.curve
    steered = curve[curve["direction"] != "none"]
    assert sorted(steered["dose"]) == pytest.approx(sorted(world.doses))
    assert steered["praise"].tolist() == pytest.approx(
        [rising(h, d) for h, d in zip(steered["hook_name"], steered["dose"], strict=True)]
    )
    assert (steered["feasible"] == (steered["dose"] <= 0.3)).all()
    assert (steered["feasible"] == (steered["excess"] <= 0)).all()
    over = steered[~steered["feasible"]]
    assert len(over) >= 2
    for _, row in over.iterrows():
        ratio = dear(0.3)("", row["dose"])
        assert row["why_not"] == f"perplexity {ratio:.2f} × unsteered"
        assert row["excess"] == pytest.approx((ratio - 1.5) / 0.5)
    first = curve.iloc[0]
    assert (first["direction"], first["feasible"], first["effect"]) == ("none", True, 0)
    assert first["perplexity"] == pytest.approx(PERPLEXITY)
    assert steered["effect"].tolist() == pytest.approx((steered["praise"] - 0.5).tolist())


def test_the_judge_decides_among_what_is_allowed(patch: pytest.MonkeyPatch) -> None:
    """The best is at .2, and a dose of .8 is allowed."""
    found = calibrated(
        patch, World(lambda _, dose: 0.9 - abs(dose - 0.2) if dose else 0.5, dear(0.8))
    )
    assert found.chosen.dose == pytest.approx(0.2)
    # Two places do the same: that of the smaller number.
    assert found.chosen.hook_name == HERE


def test_the_smaller_dose_among_equals(patch: pytest.MonkeyPatch) -> None:
    found = calibrated(patch, World(lambda _, dose: 0.9 if dose else 0.5, dear(0.8)))
    assert found.chosen.dose == pytest.approx(0.1)


def test_the_other_way(patch: pytest.MonkeyPatch) -> None:
    world = World(rising, dear(0.3))
    found = calibrated(patch, world, way=-1)
    assert found.chosen.hook_name == THERE
    assert -0.3 <= found.chosen.dose <= -0.3 / NEAR
    assert found.chosen.strength < 0
    assert max(world.doses) < 0
    assert found.test["effect"].iloc[1] == pytest.approx(rising(THERE, found.chosen.dose) - 0.5)


def test_reported_on_other_prompts(patch: pytest.MonkeyPatch) -> None:
    world = World(rising, dear(0.3))
    found = calibrated(patch, world)
    assert found.test["prompts"].tolist() == ["test", "test"]
    assert found.test["texts"].tolist() == [len(TEST) * 2] * 2
    assert found.test["direction"].tolist() == ["none", found.chosen.name]
    assert found.test["strength"].tolist() == pytest.approx([0, found.chosen.strength])
    texts = found.swept.of(prompts="test").texts
    none, steered = (part for _, part in texts.groupby("cell", sort=False))
    expected = paired_difference(
        steered["praise"].to_numpy(), none["praise"].to_numpy(), none["prompt_index"].to_numpy()
    )
    row = found.test.iloc[1]
    assert (row["effect"], row["effect_low"], row["effect_high"]) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )
    assert len(calibrated(patch, world, test=None).swept.of(prompts="validation")) == 8 * len(
        found.curve
    )
    assert calibrated(patch, world, test=None).test is None


def test_what_the_test_prompts_do_not_bear_is_said(patch: pytest.MonkeyPatch) -> None:
    world = World(rising, dear(0.3))
    whole = world.written

    def dearer(number: int, cell: Cell) -> pd.DataFrame:
        texts = whole(number, cell)
        worse = cell.prompts.name == "test" and cell.direction is not None
        return texts.assign(nll=texts["nll"] + (8.0 if worse else 0.0))

    world.written = dearer  # type: ignore[method-assign]
    found = calibrated(patch, world)
    assert found.test["feasible"].tolist() == [True, False]
    assert f"over the limits here: {found.test['why_not'].iloc[1]}" in repr(found)


def test_several_seeds_are_taken_together(patch: pytest.MonkeyPatch) -> None:
    world = World(rising, dear(0.3))
    found = calibrated(patch, world, seeds=[3, 4, 5])
    assert found.curve["seed"].tolist() == [-1] * len(found.curve)
    assert set(found.curve["texts"]) == {3 * 2 * len(VALIDATION)}
    alone = calibrated(patch, World(rising, dear(0.3)))
    assert alone.curve["seed"].tolist() == [0] * len(alone.curve)
    # The same prompts again: no surer by that.
    columns = ["praise", "praise_low", "praise_high", "perplexity", "effect", "dose"]
    pd.testing.assert_frame_equal(found.curve[columns], alone.curve[columns])
    assert set(found.swept.texts["seed"]) == {3, 4, 5}
    assert found.swept.texts["cell"].nunique() == 3 * (len(found.curve) + 2)


def test_nothing_within_the_limits(patch: pytest.MonkeyPatch) -> None:
    world = World(rising, lambda _, dose: 1.0 if not dose else 2.0 + abs(dose))
    found = calibrated(patch, world, tries=4)
    assert found.chosen is None
    assert found.test is None
    nearest = min(world.doses)
    assert nearest == pytest.approx(0.1 / 4)
    (note,) = found.notes
    method = two_places()[HERE].provenance.method
    assert f"The nearest is {method} at {HERE} at dose {nearest:+.3g}" in note
    assert f"perplexity {2 + nearest:.2f} × unsteered" in note
    with pytest.raises(ts.SteerError, match="Nothing that was tried is within the constraints"):
        _ = found.steering
    assert repr(found).startswith("Calibration(nothing chosen")
    assert all(s["prompts"] == "validation" for cells in world.asked for s in cells)


def test_a_dose_above_one_that_is_not_allowed_is_said(patch: pytest.MonkeyPatch) -> None:
    """The very first dose is unlucky: its double is tried as well, and the search goes up."""
    bad = World(rising, lambda h, d: 3.0 if math.isclose(d, 0.1) else dear(0.5)(h, d))
    found = calibrated(patch, bad)
    assert 0.5 / NEAR <= found.chosen.dose <= 0.5
    (note,) = found.notes
    assert "lies above one that is not" in note
    assert HERE in note
    assert THERE in note
    steered = found.curve[found.curve["hook_name"] == THERE]
    assert not steered.loc[steered["dose"].round(6) == 0.1, "feasible"].any()
    smooth = calibrated(patch, World(rising, dear(0.5)))
    assert smooth.notes == ()


def test_the_largest_dose_and_a_choice_that_does_not_help_are_said(
    patch: pytest.MonkeyPatch,
) -> None:
    found = calibrated(patch, World(rising), most=0.5)
    assert found.chosen.dose == pytest.approx(0.5)
    (note,) = found.notes
    assert "is within the constraints at dose 0.5, the largest that is tried" in note
    worse = calibrated(patch, World(lambda _, dose: 0.5 - dose, dear(0.3)))
    assert worse.chosen is not None
    assert "nothing that was tried helps" in worse.notes[0]


def test_repetition_and_kl_are_limits_too(patch: pytest.MonkeyPatch) -> None:
    assert repetition([AGAIN]) - repetition([FRESH]) == pytest.approx(0.2)
    world = World(rising, repeats=lambda _, dose: dose > 0.3)
    found = calibrated(patch, world)
    assert 0.3 / NEAR <= found.chosen.dose <= 0.3
    over = found.curve[~found.curve["feasible"].astype(bool)]
    assert set(over["why_not"]) == {"repetition +0.200 over unsteered"}
    near = Constraints(perplexity_ratio=None, repetition=None, kl=0.4)
    world = World(rising, kl=lambda _, dose: 10 * dose**2)
    found = calibrated(patch, world, constraints=near)
    assert 0.2 / NEAR <= found.chosen.dose <= 0.2
    assert "KL ≤ 0.4 nats)" in repr(found)


def test_several_by_name(patch: pytest.MonkeyPatch) -> None:
    joy = two_places()
    other = direction(model(), HERE, 5)
    found = calibrated(patch, World(rising, dear(0.3)), {"joy": joy, "odd": other})
    places = found.curve[["direction", "hook_name"]].drop_duplicates().to_records(index=False)
    assert {tuple(place) for place in places} == {
        ("none", ""), ("joy", HERE), ("joy", THERE), ("odd", HERE)
    }  # fmt: skip
    assert found.chosen.name == "joy"
    alone = calibrated(patch, World(rising, dear(0.3)), other)
    assert alone.chosen.direction is other
