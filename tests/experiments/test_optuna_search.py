"""Places and doses that Optuna proposes."""

import sys
import types
import warnings
from collections.abc import Sequence

import pytest
from worlds import THERE, World, calibrated, dear, rising

import tl_steer as ts
from tl_steer.experiments._optuna_search import Optuna

PLACES = [f"place {number}" for number in range(12)]
BEST = 7


class Counted:
    """The best is at one of twelve places, at the largest dose that is allowed there."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []
        self.sizes: list[int] = []

    def __call__(self, asked: Sequence[tuple[int, float]]) -> list[tuple[float, dict[str, float]]]:
        self.asked += asked
        self.sizes.append(len(asked))
        return [
            (dose if place == BEST else 0.3 * dose, {"cost": dose / 0.3 - 1, "none": -1.0})
            for place, dose in asked
        ]


def test_place_and_dose_are_found_together() -> None:
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    tried = Counted()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Optuna(trials=50).run(PLACES, 1.0, tried)
    assert said == []
    assert optuna.logging.get_verbosity() == before
    assert tried.sizes == [8] * 6 + [2]
    assert all(0.02 <= dose <= 1.0 for _, dose in tried.asked)
    allowed = [(dose, place) for place, dose in tried.asked if dose <= 0.3]
    best = max(dose if place == BEST else 0.3 * dose for dose, place in allowed)
    # A tenth of the places, and the upper third of the doses that are allowed there.
    assert best > 0.2
    # It has learnt both from what it saw.
    late = tried.asked[30:]
    assert sum(place == BEST for place, _ in late) > 2 * len(late) / len(PLACES)
    early = sum(dose > 0.3 for _, dose in tried.asked[:20]) / 20
    assert sum(dose > 0.3 for _, dose in late) / len(late) <= early


def test_one_seed_is_one_search(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    runs = [Counted(), Counted(), Counted()]
    for tried, seed in zip(runs, (0, 0, 1), strict=True):
        Optuna(trials=20, seed=seed).run(PLACES, 1.0, tried)
    assert runs[0].asked == runs[1].asked
    assert runs[0].asked != runs[2].asked
    assert capsys.readouterr() == ("", "")


def test_an_operating_point_by_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    world = World(rising, dear(0.4))
    found = calibrated(monkeypatch, world, optuna=Optuna(trials=30, together=10))
    assert found.chosen.hook_name == THERE
    assert 0.3 <= found.chosen.dose <= 0.4
    assert len(found.curve) == 1 + 30
    # Three rounds, and the test prompts.
    assert [len(cells) for cells in world.asked] == [11, 10, 10, 2]
    away = calibrated(monkeypatch, World(rising, dear(0.4)), optuna=Optuna(trials=30), way=-1)
    assert -0.4 <= away.chosen.dose <= -0.25


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ts.SteerError, match='pip install "optuna'):
        Optuna().run(PLACES, 1.0, Counted())
    old = types.ModuleType("optuna")
    old.__version__ = "4.1.0"  # type: ignore[attr-defined]
    old.trial = types.SimpleNamespace(Trial=object)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "optuna", old)
    with pytest.raises(ts.SteerError, match=r"Optuna 4\.1\.0 is installed, and version 5"):
        Optuna().run(PLACES, 1.0, Counted())


@pytest.mark.parametrize(
    "settings", [{"trials": 0}, {"together": 0}, {"least": 0.0}, {"least": float("nan")}]
)
def test_numbers_that_cannot_be(settings: dict[str, float]) -> None:
    with pytest.raises(ts.SteerError, match=next(iter(settings))):
        Optuna(**settings)  # type: ignore[arg-type]


def test_no_room_for_doses() -> None:
    with pytest.raises(ts.SteerError, match=r"from least=0.02 to most=0.01"):
        Optuna().run(PLACES, 0.01, Counted())
