"""A cache that grows in place holds what one that is copied at every step does."""

from typing import Any

import pytest
import torch
from making import TEXTS, greedy, own_model
from models import ARCHITECTURES
from transformers.cache_utils import DynamicCache, DynamicLayer

from tl_steer.lens.roomy_layer import RoomyLayer, with_room


def filled(width: int = 5) -> tuple[Any, Any]:
    """The same twice: one with room, and one without."""
    caches = DynamicCache(), DynamicCache()
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(2, 2, 3, width, 4, generator=generator)
    for cache in caches:
        for layer in range(2):
            cache.update(states[0] + layer, states[1] - layer, layer)
    return with_room(caches[0]), caches[1]


def grow(caches: Any, seed: int, rows: int = 2, width: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    new = torch.randn(2, rows, 3, width, 4, generator=generator)
    for layer in range(2):
        ours, theirs = (cache.update(new[0], new[1] + layer, layer) for cache in caches)
        for got, expected in zip(ours, theirs, strict=True):
            assert torch.equal(got, expected)


@torch.no_grad()
def test_columns_are_added_in_place_and_none_is_lost() -> None:
    caches = filled()
    assert all(type(layer) is RoomyLayer for layer in caches[0].layers)
    where = set()
    for step in range(100):
        grow(caches, step)
        where.add(caches[0].layers[0].keys.data_ptr())
    assert caches[0].get_seq_length() == 105
    assert len(where) < 6


@torch.no_grad()
def test_rows_and_columns_that_are_taken_out() -> None:
    caches = filled()
    grow(caches, 0)
    earlier = caches[0].layers[1].keys, caches[0].layers[1].keys.clone()
    for cache in caches:
        cache.reorder_cache(torch.tensor([1, 1, 0]))
    grow(caches, 1, rows=3)
    for cache in caches:
        cache.crop(-2)
    grow(caches, 2, rows=3, width=3)
    for cache in caches:
        cache.batch_select_indices(torch.tensor([2]))
    grow(caches, 3, rows=1)
    assert torch.equal(*earlier)


def test_gradients_are_those_of_a_copied_cache() -> None:
    caches = filled()
    new = torch.randn(2, 3, 1, 4, requires_grad=True)
    for cache in caches:
        for step in range(3):
            keys, _ = cache.update(new * step, new, 0)
        (grad,) = torch.autograd.grad(keys.square().sum(), new)
        torch.testing.assert_close(grad, 2 * (0 + 1 + 4) * new.detach())


def test_other_layers_stay() -> None:
    class Other(DynamicLayer):
        pass

    cache = DynamicCache()
    cache.layers = [Other(), DynamicLayer()]
    assert [type(each) for each in with_room(cache).layers] == [Other, RoomyLayer]
    assert with_room(None) is None


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_texts_are_the_same_to_the_last_bit(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tl_steer.lens import roomy_layer

    model = own_model("bridge", architecture)
    grown = greedy(model, TEXTS, path="twin", steps=40).frame
    monkeypatch.setattr(roomy_layer, "with_room", lambda cache: cache)
    copied = greedy(model, TEXTS, path="twin", steps=40).frame
    assert grown["tokens"].tolist() == copied["tokens"].tolist()
    assert grown["log_probs"].tolist() == copied["log_probs"].tolist()
