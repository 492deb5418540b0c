"""Several layers at once, and what is no steering."""

import math
from typing import Any

import pytest
import torch
from making import as_users_run_it, direction, logits_of, shared_model

import tl_steer as ts
from tl_steer.errors import LargeDoseWarning, MismatchError, SteerError

STREAM = [f"blocks.{layer}.hook_resid_post" for layer in range(4)]


@pytest.fixture(scope="module")
def llama() -> Any:
    return shared_model("bridge", "llama")


@pytest.fixture(scope="module")
def joy(llama: Any) -> ts.Directions:
    return ts.Directions({name: direction(llama, name, i) for i, name in enumerate(STREAM)})


def test_several_layers_share_a_dose(llama: Any, joy: ts.Directions) -> None:
    steering = ts.Steering.at_layers(joy[1:4], dose=0.3, scope=ts.generated)
    assert list(steering.interventions) == ["layer_1", "layer_2", "layer_3"]
    for each in steering.active:
        assert each.dose == pytest.approx(0.3 / math.sqrt(3))
        assert each.scope is ts.generated
    assert repr(steering).splitlines()[0] == "Steering of 3, dose 0.3 / √3 = 0.173 at each"
    assert "(off)" in repr(steering.off("layer_2"))
    assert "√" not in repr(steering.at_strength(layer_1=2.0))
    by_hand = ts.Steering(*(ts.Add(d, dose=0.3 / math.sqrt(3)) for d in joy[1:4].values()))
    everywhere = ts.Steering.at_layers(joy[1:4], dose=0.3)
    torch.testing.assert_close(under(llama, everywhere), under(llama, by_hand))


def under(model: Any, steering: ts.Steering) -> torch.Tensor:
    with ts.steer(model, steering):
        return logits_of(model)


def test_one_layer_gets_all_of_it(joy: ts.Directions) -> None:
    (only,) = ts.Steering.at_layers(joy[2:3], -2.0).active
    assert only.strength == -2.0
    (plain,) = ts.Steering.at_layers([joy[2]]).active
    assert plain.strength == 1.0


def test_two_sites_of_a_layer_have_their_own_names(llama: Any) -> None:
    two = [direction(llama, name) for name in ("blocks.1.hook_resid_post", "blocks.1.hook_mlp_out")]
    steering = ts.Steering.at_layers(two, 1.0)
    assert list(steering.interventions) == [each.hook_name for each in two]


def test_the_whole_dose_is_what_is_warned_of(joy: ts.Directions) -> None:
    with pytest.warns(LargeDoseWarning, match=r"dose 0\.6"):
        ts.Steering.at_layers(joy, dose=-0.6)


@pytest.mark.parametrize(
    ("given", "settings", "error", "says"),
    [
        ([], {}, MismatchError, "at least one direction, got none"),
        (
            [None],
            {},
            MismatchError,
            "expected a dict of Directions or a list of Directions; item 0 is None",
        ),
        ("joy", {}, MismatchError, "got 'joy'"),
        (..., {"strength": 1.0, "dose": 0.1}, SteerError, "give a strength or a dose, not both"),
        (..., {"dose": [0.1, 0.2]}, SteerError, "one number as the dose"),
        (..., {"strength": "much"}, SteerError, "strength"),
    ],
)
def test_what_cannot_be_divided_is_refused(
    joy: ts.Directions, given: Any, settings: Any, error: Any, says: str
) -> None:
    with as_users_run_it(), pytest.raises(error) as refused:
        ts.Steering.at_layers(joy if given is ... else given, **settings)
    assert says in str(refused.value)


def test_one_hook_point_twice_is_refused(joy: ts.Directions) -> None:
    with pytest.raises(MismatchError, match="one direction a hook point"):
        ts.Steering.at_layers([joy[1], joy[1]])


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda joy: joy[1], "Add(direction, dose=0.2)"),
        (lambda joy: joy, "Steering.at_layers(directions[10:19], dose=0.2)"),
        (lambda joy: joy[1].vector, "Add(Direction.of(vector, at=15, model=model), dose=0.2)"),
        (lambda joy: joy[1].vector.numpy(), "Direction.of(vector"),
        (lambda joy: ts.Add, "expected a Steering, an intervention or a list of interventions"),
        (lambda joy: None, "expected a Steering, an intervention or a list of interventions"),
    ],
)
def test_what_is_no_steering_is_told_what_to_write(
    llama: Any, joy: Any, what: Any, says: str
) -> None:
    with as_users_run_it(), pytest.raises(SteerError) as refused:
        ts.steer(llama, what(joy))
    assert says in str(refused.value)
