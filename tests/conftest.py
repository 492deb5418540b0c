"""Fixtures for every test that needs a small model.

What takes long to import is imported by the fixtures: pytest reads this file in the process that
hands out tests before it starts those that run them.
"""

import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import jaxtyping._decorator
import pytest
from kinds import MODELS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-architecture",
        action="store_true",
        help="check every architecture of tests/architectures, and not only the most used ones",
    )
    parser.addoption(
        "--every-argument",
        action="store_true",
        help="give every parameter everything in contract 13, and not only a part of it",
    )
    parser.addoption(
        "--write-table",
        action="store_true",
        help="write what is found into docs/architectures.md",
    )


# Rooms that ask nothing of TransformerLens, or only by way of `generate` and `steer`.
ONCE = {
    *("arguments", "data", "demo", "diagnostics", "dosing", "drawing", "experiments"),
    *("fuzz", "judges", "metrics", "notebook", "page", "people", "reports", "robustness"),
    *("statistics", "tables"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name in ONCE:
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def model(request: pytest.FixtureRequest) -> Any:
    """Each model class that this environment has, of each architecture; shared, so left alone."""
    from making import shared_model

    return shared_model(*request.param)


@pytest.fixture(scope="session", autouse=True)
def _hook_dict_built_once() -> Iterator[None]:
    """Spare the tests three quarters of their time on TransformerLens 3.

    It builds a bridge's dictionary of hook points at every access, and the check of annotations
    asks for it whenever a model is passed on. The dictionary is built again when hook points have
    been replaced, as by ``enable_compatibility_mode``.
    """
    from transformer_lens.model_bridge import TransformerBridge

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


@pytest.fixture(scope="session", autouse=True)
def _checks_written_once() -> Iterator[None]:
    """Spare the tests a fifth of their time.

    A function within a function is made anew at every call, and with it jaxtyping and beartype
    write and compile its checks anew, although they are the same for the same annotations. What a
    protocol asks for is looked up anew at every check, too.
    """
    slow = (
        (jaxtyping._decorator, "_make_fn_with_signature"),
        (jaxtyping._decorator, "_apply_typechecker"),
        (typing, "_get_protocol_attrs"),
    )
    with pytest.MonkeyPatch.context() as patch:
        for module, name in slow:
            # Names of their own, not ours: without them the tests take longer, and that is all.
            if hasattr(module, name):
                patch.setattr(module, name, _remembered(getattr(module, name)))
        yield


def _remembered(made: Callable[..., Any]) -> Callable[..., Any]:
    remembered = cache(made)

    def once(*args: Any, **kwargs: Any) -> Any:
        try:
            return remembered(*args, **kwargs)
        except TypeError:  # A default that cannot be hashed.
            return made(*args, **kwargs)

    return once


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small models are slower on several threads, and far slower where others want them too."""
    import torch

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
    from making import hooks_of

    shared = request.getfixturevalue("model")
    before = hooks_of(shared)
    yield
    assert hooks_of(shared) == before
