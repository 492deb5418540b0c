"""Additions by dose: a share of the activations' norm instead of a strength."""

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from making import SITES, as_users_run_it, direction, shared_model

import tl_steer as ts
from tl_steer.errors import LargeDoseWarning, MismatchError, NonFiniteError, SteerError

SITE = SITES[2]


@pytest.fixture(scope="module")
def joy() -> ts.Direction:
    return direction(shared_model("bridge", "llama"), SITE)


def test_a_dose_is_a_share_of_the_norm(joy: ts.Direction) -> None:
    add = ts.Add(joy, dose=0.2)
    assert add.strength == pytest.approx(0.2 * joy.scale / joy.norm)
    assert add.dose == pytest.approx(0.2)
    assert ts.Add(joy, dose=-0.2).strength == pytest.approx(-add.strength)
    assert ts.Add(joy, dose=0).strength == 0
    assert ts.Add(2 * joy, dose=0.2).strength == pytest.approx(add.strength / 2)
    assert ts.Add(joy).strength == 1


def test_rows_have_doses_of_their_own(joy: ts.Direction) -> None:
    several = ts.Add(joy, dose=torch.tensor([0.1, -0.3]))
    assert several.n_rows == 2
    assert several.strength == pytest.approx([joy.strength_for(dose=each) for each in (0.1, -0.3)])
    one_each = ts.Add([joy, 2 * joy], dose=0.2)
    assert one_each.strength == pytest.approx([joy.strength_for(dose=each) for each in (0.2, 0.1)])
    assert one_each.rows([1]).strength.tolist() == pytest.approx([one_each.strength[1]])
    assert ts.Add([joy, 2 * joy], dose=[0.2, 0.4]).strength == pytest.approx(
        [one_each.strength[0]] * 2
    )


def test_another_strength_takes_the_place_of_the_dose(joy: ts.Direction) -> None:
    steering = ts.Steering(joy=ts.Add(joy, dose=0.2))
    assert steering.at_strength(joy=2.0).active[0].strength == 2.0
    assert replace(ts.Add(joy, dose=0.2), strength=3.0).strength == 3.0
    assert "dose 0.2" in repr(steering)


def test_a_large_dose_warns_with_its_number(joy: ts.Direction) -> None:
    with pytest.warns(LargeDoseWarning, match="dose 0.5 adds 0.5 times") as caught:
        ts.Add(joy, dose=-0.5)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.Add(joy, dose=0.4)
        # Of other sites it is not known what text bears.
        ts.Add(direction(shared_model("bridge", "llama"), "blocks.0.hook_mlp_out"), dose=0.9)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"strength": 1.0, "dose": 0.1}, SteerError, "give a strength or a dose, not both"),
        ({"dose": "much"}, SteerError, "'much'"),
        ({"dose": float("nan")}, NonFiniteError, "not finite"),
        ({"dose": lambda acts, context: acts}, SteerError, "Dose(direction, 0.2) as the strength"),
        ({"dose": []}, MismatchError, "dose"),
    ],
)
def test_what_is_no_dose_is_refused(
    joy: ts.Direction, settings: Any, error: Any, says: str
) -> None:
    with as_users_run_it(), pytest.raises(error) as refused:
        ts.Add(joy, **settings)
    assert says in str(refused.value)


def test_directions_and_doses_must_be_as_many(joy: ts.Direction) -> None:
    with pytest.raises(MismatchError, match="2 directions and 3 doses"):
        ts.Add([joy, joy], dose=[0.1, 0.1, 0.1])
    with pytest.raises(NonFiniteError, match="zero vector"):
        ts.Add(0 * joy, dose=0.1)
