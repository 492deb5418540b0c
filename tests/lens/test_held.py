"""A cache is known again, row by row, by what one layer of it holds."""

from typing import Any

import pytest
import torch
from models import hf_llama
from torch import Tensor
from transformers import DynamicCache, StaticCache

from tl_steer.lens.held import Held, marks


def filled(*rows: list[int], cache: Any = None) -> Any:
    """Two heads, keys of three numbers; a token's keys say what it is."""
    cache = DynamicCache() if cache is None else cache
    keys = torch.tensor(rows).float()[:, None, :, None].expand(-1, 2, -1, 3)
    cache.update(keys.clone(), keys.clone(), 0)
    return cache


def held(cache: Any) -> Held:
    found = Held.of(cache, int(cache.get_seq_length()))
    assert found is not None
    return found


def test_what_nobody_touched() -> None:
    cache = filled([5, 6], [7, 8])
    before = held(cache)
    assert held(cache).is_still(before)
    filled([5], [5], cache=cache)
    assert not held(cache).is_still(before)
    assert Held.of(DynamicCache(), 0) is None
    assert Held.of(None, 0) is None
    assert Held.of(object(), 3) is None


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda cache: cache.reorder_cache(torch.tensor([2, 0, 2])), [2, 0, 2]),
        (lambda cache: cache.batch_select_indices(torch.tensor([1])), [1]),
        (lambda cache: cache.batch_repeat_interleave(2), [0, 0, 1, 1, 2, 2]),
        (lambda cache: cache.crop(-1), [0, 1, 2]),
        (lambda cache: None, [0, 1, 2]),
    ],
    ids=["reordered", "selected", "repeated", "cropped", "as it was"],
)
def test_what_was_done_to_it(change: Any, rows: list[int]) -> None:
    cache = filled([5, 6, 7], [5, 6, 8], [9, 6, 7])
    before = held(cache)
    change(cache)
    assert held(cache).rows_in(before) == rows


def test_rows_that_are_alike_stay_where_they_are() -> None:
    before = held(filled([5, 6], [5, 6], [7, 6]))
    assert held(filled([5, 6], [5, 6], [7, 6])).rows_in(before) == [0, 1, 2]
    assert held(filled([7, 6], [5, 6], [5, 6])).rows_in(before) == [2, 1, 0]


def test_what_it_does_not_know() -> None:
    before = held(filled([5, 6], [7, 8]))
    assert held(filled([5, 7], [7, 8])).rows_in(before) is None
    assert held(filled([5, 6, 7], [7, 8, 9])).rows_in(before) is None
    half = filled([5, 6], [7, 8])
    half.layers[0].keys = half.layers[0].keys.half()
    assert held(half).rows_in(before) is None


def test_keys_that_were_written_into() -> None:
    cache = filled([5, 6], [7, 8])
    before = held(cache)
    cache.layers[0].keys[0] = 3.0
    assert not held(cache).is_still(before)
    assert held(cache).rows_in(before) is None


def test_a_cache_of_a_fixed_size() -> None:
    cache = StaticCache(config=hf_llama().config, max_cache_len=8)
    keys = torch.arange(2.0)[:, None, None, None].expand(2, 2, 3, 8)
    cache.update(keys, keys, 0)
    before = held(cache)
    assert held(cache).is_still(before)
    cache.reorder_cache(torch.tensor([1, 0]))
    assert held(cache).rows_in(before) == [1, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64])
def test_marks_differ_where_a_bit_does(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(64, 33, generator=generator).mul(100).to(dtype)
    found = marks(rows)
    assert len(set(found.tolist())) == 64
    assert torch.equal(marks(rows.flip(0)), found.flip(0))
    assert torch.equal(marks(torch.stack([rows, rows], 1))[:, 1], found)
    swapped: Tensor = rows[:, [1, 0, *range(2, 33)]]
    assert not (marks(swapped) == found).any()
