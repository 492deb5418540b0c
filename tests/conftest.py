"""Fixtures for every test that needs a small model."""

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import pytest
import torch
from making import MODELS, hooks_of, shared_model
from transformer_lens.model_bridge import TransformerBridge


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def model(request: pytest.FixtureRequest) -> Any:
    """Each model class that this environment has, of each architecture; shared, so left alone."""
    return shared_model(*request.param)


@pytest.fixture(scope="session", autouse=True)
def _hook_dict_built_once() -> Iterator[None]:
    """Spare the tests three quarters of their time on TransformerLens 3.

    It builds a bridge's dictionary of hook points at every access, and the check of annotations
    asks for it whenever a model is passed on. The dictionary is built again when hook points have
    been replaced, as by ``enable_compatibility_mode``.
    """
    build = TransformerBridge.hook_dict.fget
    built: WeakKeyDictionary[Any, tuple[Any, dict[str, Any]]] = WeakKeyDictionary()

    def hook_dict(self: Any) -> dict[str, Any]:
        now = (self.compatibility_mode, *self._hook_registry.values())
        if self not in built or built[self][0] != now:
            built[self] = (now, build(self))
        return dict(built[self][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransformerBridge, "hook_dict", property(hook_dict))
        yield


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small models are slower on several threads, and far slower where others want them too."""
    threads = torch.get_num_threads()
    if request.node.get_closest_marker("packaged") is None:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _nothing_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Contract 1, after every test that uses a shared model."""
    if "model" not in request.fixturenames:
        yield
        return
    shared = request.getfixturevalue("model")
    before = hooks_of(shared)
    yield
    assert hooks_of(shared) == before
