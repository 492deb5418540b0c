from collections.abc import Callable

import pytest
import torch

import tl_steer as ts
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import HookNameError
from tl_steer.lens.protocol import ModelInfo

AT = "blocks.1.hook_resid_post"
INFO = ModelInfo("small-llama", 4, 32, "raw")


def direction(vector: list[float], *, at: str = AT, method: str = "made") -> ts.Direction:
    return ts.Direction(torch.tensor(vector), at, 2.0, Provenance(INFO, method))


Several = Callable[[int], ts.Directions]


@pytest.fixture
def several() -> Several:
    def make(count: int) -> ts.Directions:
        names = [f"blocks.{i // 2}.{('hook_mlp_out', 'hook_resid_post')[i % 2]}"
                 for i in range(count)]  # fmt: skip
        return ts.Directions({name: direction([1.0, 2.0], at=name) for name in names})

    return make


def test_directions_are_looked_up_by_hook_name(several: Several) -> None:
    found = several(6)
    assert len(found) == 6
    assert list(found)[:2] == ["blocks.0.hook_mlp_out", "blocks.0.hook_resid_post"]
    assert AT in found
    assert found[AT].hook_name == AT
    assert list(found.at("hook_mlp_out")) == [f"blocks.{i}.hook_mlp_out" for i in range(3)]
    with pytest.raises(HookNameError, match=r"no direction was read there. Available: blocks\.0"):
        found["blocks.9.hook_mlp_out"]
    with pytest.raises(TypeError):
        found[AT] = found[AT]  # type: ignore[index]


def test_directions_do_not_follow_the_dictionary_they_came_in(several: Several) -> None:
    source = dict(several(4))
    found = ts.Directions(source)
    source.clear()
    assert len(found) == 4


def test_directions_are_readable_however_many(several: Several) -> None:
    assert len(repr(several(2)).splitlines()) == 3
    long = repr(several(60))
    assert len(long.splitlines()) == 10
    assert "52 more" in long
    hostile = ts.Directions({AT: direction([3.0, 4.0], method="<script>alert(1)</script>")})
    assert "<script>" not in hostile._repr_html_()
    assert "&lt;script&gt;" in hostile._repr_html_()
    assert f">{AT}</td>" in hostile._repr_html_()
