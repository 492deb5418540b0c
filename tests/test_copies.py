"""Every public value can be copied and pickled, and is the same afterwards."""

import copy
import pickle
from functools import cache
from typing import Any

import pytest
from values_of import made_of_fields, public_dataclasses, real_values, same

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.frozen import FrozenDict

NOT_PICKLED = {"strength ByIndex"}
"""Made with a lambda, which Python does not pickle."""

real = cache(real_values)


def copies(value: Any) -> list[Any]:
    found = [copy.copy(value), copy.deepcopy(value)]
    return [*found, *(pickle.loads(pickle.dumps(value, n)) for n in (2, pickle.HIGHEST_PROTOCOL))]


def test_values_of_real_parts() -> None:
    for name, value in real().items():
        several = copies(value) if name not in NOT_PICKLED else [copy.deepcopy(value)]
        for each in several:
            assert same(value, each), name
            assert repr(value) == repr(each) or " at 0x" in repr(value), name


@pytest.mark.parametrize("kind", public_dataclasses(), ids=lambda kind: kind.__name__)
def test_every_public_dataclass(kind: type) -> None:
    value = made_of_fields(kind)
    for each in copies(value):
        if isinstance(value, ts.causal.Localization) and each.experiment is None:
            object.__setattr__(each, "experiment", value.experiment)
        assert same(value, each)


def test_a_pickled_localization_has_no_model() -> None:
    value = made_of_fields(ts.causal.Localization)
    assert copy.deepcopy(value).experiment is value.experiment
    with pytest.raises(SteerError, match="holds no model"):
        ts.causal.verify(pickle.loads(pickle.dumps(value)))


def test_a_copy_is_used_like_the_first() -> None:
    steering = pickle.loads(pickle.dumps(real()["Steering"]))
    assert list(steering.interventions) == ["1", "calm"]
    assert [name for name in steering.interventions if name in steering.switched_off] == ["calm"]
    again = copy.deepcopy(real()["Directions"])
    assert list(again) == list(real()["Directions"])


def test_a_frozen_mapping_does_not_change() -> None:
    content = {"a": 1}
    frozen = FrozenDict(content)
    content["a"] = 2
    assert frozen == {"a": 1}
    with pytest.raises(TypeError):
        frozen["a"] = 3  # type: ignore[index]
