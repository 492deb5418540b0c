"""The n-th generated tokens."""

from dataclasses import replace

import pytest
from making import TEXTS, batch_of, direction, generated_by_us
from text_passes import Bytes, assert_batch_is_alone, marked

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.scopes._nth_generated import NthGenerated


@pytest.mark.parametrize("cached", [True, False])
def test_the_nth(cached: bool) -> None:
    row = [*b"prompt and more"]
    assert marked(NthGenerated(0), Bytes(), row, 6, cached=cached).index(True) == 6
    found = marked(NthGenerated(1, 3), Bytes(), row, 6, cached=cached)
    assert [place for place, is_in in enumerate(found) if is_in] == [7, 9]
    rows, lengths = [[*b"abc xyz"], [*b"a wxyz"]], [3, 2]
    assert_batch_is_alone(NthGenerated(*range(2)), Bytes(), rows, lengths, cached=cached)


def test_it_is_the_same_as_positions_after_the_prompt(model: object) -> None:
    site = "blocks.1.hook_resid_post"
    text, length = TEXTS[0], int(batch_of(model, TEXTS[:1]).real.sum())
    counted = ts.Add(direction(model, site), 4.0, scope=NthGenerated(1, 2))
    placed = replace(counted, scope=slice(length + 1, length + 3))
    found = [generated_by_us(model, text, ts.Steering(each), steps=5) for each in (counted, placed)]
    assert found[0] == found[1]


@pytest.mark.parametrize("which", [(), (-1,), (0, -2)])
def test_what_is_not_known_is_refused(which: tuple[int, ...]) -> None:
    with pytest.raises(SteerError, match="numbers from 0, which"):
        NthGenerated(*which)
