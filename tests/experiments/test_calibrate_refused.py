"""What calibrate refuses, before the model writes anything; and how a result is shown."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from making import as_users_run_it, direction
from models import small_model
from worlds import HERE, THERE, VALIDATION, World, calibrated, dear, model, rising, two_places

import tl_steer as ts
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.experiments._calibration_figure import calibration_figure
from tl_steer.experiments._optuna_search import Optuna


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"test": ["new", "a  movie"]}, DataError, r"1 prompts are both .* 'a  movie'"),
        ({"validation": "the film"}, DataError, "validation=.*: expected a list of texts"),
        ({"test": "the film"}, DataError, "test=.*: expected a list of texts"),
        ({"validation": []}, DataError, "validation: 0 prompts"),
        ({"test": []}, DataError, "leave test= out"),
        ({"way": 0}, SteerError, "way=0: 1 to add"),
        ({"both_ways": True}, SteerError, r"once more with Search\(way=-1\)"),
        ({"most": 0.0}, SteerError, "most=0.0"),
        ({"first": math.nan}, SteerError, "first=nan"),
        ({"kl": -0.1}, SteerError, "kl=-0.1"),
        ({"tries": 0}, SteerError, "tries=0"),
        ({"kl": 0.1, "optuna": Optuna()}, SteerError, "nothing to look for"),
        ({"seeds": []}, DataError, "seeds"),
        ({"seeds": [1, 1]}, DataError, "each of them once"),
        ({"scope": slice(0, 4, 2)}, SteerError, "no step"),
        ({"scope": {"a": ts.everywhere}}, SteerError, "expected a scope or a slice"),
        ({"directions": {}}, DataError, "directions by name"),
        ({"directions": {"none": []}}, DataError, "no name for a direction"),
    ],
)
def test_wrong_input(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], error: Any, said: str
) -> None:
    world = World(rising)
    with as_users_run_it(), pytest.raises(error, match=said):
        calibrated(monkeypatch, world, **settings)
    assert world.asked == []


def test_directions_without_a_dose(monkeypatch: pytest.MonkeyPatch) -> None:
    own = direction(model(), HERE)
    for each in (replace(own, scale=0.0), replace(own, vector=torch.zeros(32))):
        with pytest.raises(NonFiniteError, match=HERE):
            calibrated(monkeypatch, World(rising), each)


def test_a_judge_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from tl_steer.experiments._calibrate import calibrate

    with as_users_run_it(), pytest.raises(SteerError, match="expected a judge, got a function"):
        calibrate(model(), two_places(), lambda texts: [], validation=VALIDATION)  # type: ignore[arg-type]


def test_a_direction_of_another_model() -> None:
    from controls_of import JUDGE

    from tl_steer.experiments._calibrate import calibrate

    other = small_model("bridge", "gpt2")
    with pytest.raises(MismatchError, match="another model"):
        calibrate(other, two_places(), JUDGE, validation=VALIDATION)


def test_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    found = calibrated(monkeypatch, World(rising, dear(0.3)))
    first, validation, test, count = repr(found).splitlines()
    assert first == f"Calibration({found.chosen}"
    row = found.test.iloc[1]
    assert test == (
        f"  test: praise {row['praise']:.3f} against 0.500, {row['effect']:+.3f} "
        f"[{row['effect_low']:+.3f}, {row['effect_high']:+.3f}], "
        f"perplexity {row['perplexity_ratio']:.2f} × unsteered"
    )
    assert validation.startswith("  validation: praise 0.7")
    tries = len(found.curve) - 1
    allowed = int(found.curve["feasible"].sum()) - 1
    assert count == (
        f"  {tries} tries of 2 directions, {allowed} within perplexity ≤ 1.5 × unsteered, "
        "repetition ≤ unsteered + 0.02)"
    )
    one = calibrated(monkeypatch, World(rising), two_places()[HERE], tries=1, test=None)
    assert "  1 try of 1 direction, 1 within" in repr(one)


def test_as_html(monkeypatch: pytest.MonkeyPatch) -> None:
    found = calibrated(monkeypatch, World(rising, dear(0.3)), {"<b>&": two_places()})
    page = found._repr_html_()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert page.count("<table") == 2
    assert calibrated(monkeypatch, World(rising), test=None)._repr_html_().count("<table") == 1


def test_a_picture_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = calibrated(monkeypatch, World(rising, dear(0.3)))
    figure = found.plot()
    effect, cost = figure.axes
    curve = found.curve.iloc[1:]
    for axes, column in ((effect, "praise"), (cost, "perplexity_ratio")):
        (ring,) = [line for line in axes.lines if line.get_label() == "chosen"]
        assert ring.get_xdata() == pytest.approx([found.chosen.dose])
        markers = [line for line in axes.lines if line.get_linestyle() == "None" and line != ring]
        for style, feasible in (("none", False), ("full", True)):
            drawn = np.concatenate(
                [line.get_xydata() for line in markers if line.get_fillstyle() == style]
            )
            told = curve.loc[curve["feasible"].astype(bool) == feasible, ["dose", column]]
            assert len(told) >= 4
            assert np.sort(drawn, axis=0) == pytest.approx(np.sort(told.to_numpy(), axis=0))
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:2] == [HERE, THERE]
    assert {"chosen", "no steering", "limit 1.5 ×"} <= set(names)
    assert figure_png(figure) == figure_png(found.plot())


def test_pictures_of_many_of_one_and_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"joy {number}": direction(model(), HERE, number) for number in range(12)}
    found = calibrated(monkeypatch, World(rising, dear(0.3)), many, tries=2)
    names = [text.get_text() for text in found.plot().legends[0].get_texts()]
    assert "4 others" in names
    assert sum(name.startswith("joy") for name in names) == 8
    one = calibrated(monkeypatch, World(rising), {"$x_1": two_places()[HERE]}, way=-1)
    assert figure_png(one.plot())
    costly = World(rising, lambda _, dose: 9.0 if dose else 1.0)
    nothing = calibrated(monkeypatch, costly, tries=2)
    labels = [text.get_text() for text in nothing.plot().legends[0].get_texts()]
    assert "chosen" not in labels
    with pytest.raises(DataError, match="lacks"):
        calibration_figure(nothing.curve.drop(columns="dose"), "praise")
