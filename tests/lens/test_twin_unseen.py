"""The plain twin of a bridge shares everything, follows the bridge, and is not seen."""

import copy
import gc
import pickle
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from making import (
    TEXTS,
    as_users_run_it,
    assert_same_state,
    everywhere_at_once,
    own_model,
    state_of,
)
from models import ARCHITECTURES
from twins import AT, READ, written

import tl_steer as ts
from tl_steer.lens.paths import host_for, model_of, path_of
from tl_steer.lens.twin import Twin


@pytest.fixture(params=sorted(ARCHITECTURES))
def bridge(request: pytest.FixtureRequest) -> Any:
    return own_model("bridge", request.param)


def test_nothing_of_it_is_seen() -> None:
    model = own_model("bridge")
    before = state_of(model), list(model.state_dict()), list(model.original_model.state_dict())
    written(model, "twin", everywhere_at_once(model, ts.generated, 0.7))
    ts.capture(model, TEXTS, at=READ, path="twin", progress=False)
    assert_same_state(state_of(model), before[0])
    assert list(model.state_dict()) == before[1]
    assert list(model.original_model.state_dict()) == before[2]


def test_no_tensor_is_its_own(bridge: Any) -> None:
    host: Any = host_for(bridge)
    theirs = {id(each) for each in (*bridge.parameters(), *bridge.buffers())}
    plain = host.plain.module
    assert {id(each) for each in (*plain.parameters(), *plain.buffers())} <= theirs


def pickled(model: Any) -> Any:
    """What comes of pickling a model: how much, or why not; some bridges hold local classes."""
    try:
        return len(pickle.dumps(model))
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        return str(error)


def test_a_model_is_saved_as_without_it(tmp_path: Path) -> None:
    model = own_model("bridge")
    found = []
    for _ in range(2):
        torch.save(model.state_dict(), tmp_path / "weights.pt")
        found.append((pickled(model), (tmp_path / "weights.pt").stat().st_size))
        assert written(model, "twin").path == "twin"
    assert found[0] == found[1]


def test_random_numbers_are_left_alone(bridge: Any) -> None:
    with as_users_run_it():
        before = torch.get_rng_state()
        host_for(bridge, [AT])
        assert torch.equal(torch.get_rng_state(), before)


def test_weights_changed_in_place(bridge: Any) -> None:
    before = written(bridge)
    with torch.no_grad():
        # TransformerLens 3.9 also adds a bias to the logits, which the model itself does not have.
        for each in (weight for weight in bridge.parameters() if weight.ndim > 1):
            each.add_(0.05 * torch.sin(torch.arange(each.numel())).view_as(each))
    after = written(bridge)
    assert after.path == "twin"
    assert after.texts == written(bridge, "bridge").texts
    assert list(after.frame["log_probs"]) != list(before.frame["log_probs"])


def test_weights_replaced(bridge: Any) -> None:
    written(bridge)
    embedding = bridge.embed._original_component
    embedding.weight = torch.nn.Parameter(embedding.weight.detach() * 1.7)
    after = written(bridge)
    assert after.path == "twin"
    own = written(bridge, "bridge")
    torch.testing.assert_close(
        torch.tensor(after.frame["log_probs"].tolist()),
        torch.tensor(own.frame["log_probs"].tolist()),
        atol=1e-4,
        rtol=0,
    )


def test_another_dtype(bridge: Any) -> None:
    written(bridge)
    bridge.to(torch.bfloat16)
    assert next(bridge.parameters()).dtype == torch.bfloat16
    twin, own = (
        ts.capture(bridge, TEXTS, at=AT, path=path, progress=False) for path in (None, "bridge")
    )
    assert (twin.path, own.path) == ("twin", "bridge")
    torch.testing.assert_close(twin[AT], own[AT], atol=0.1, rtol=0.05)


def test_it_goes_with_the_model() -> None:
    model = own_model("bridge")
    host: Any = host_for(model, [AT])
    gone = weakref.ref(model), weakref.ref(host.plain.module)
    del model, host
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_copies_have_their_own(bridge: Any) -> None:
    host: Any = host_for(bridge)
    other = copy.deepcopy(bridge)
    assert list(other.state_dict()) == list(bridge.state_dict())
    found: Any = host_for(other)
    assert isinstance(found, Twin)
    assert found.plain is not host.plain
    assert model_of(found) is other
    assert path_of(found) == "twin"
    assert written(other).texts == written(bridge).texts
