"""What may be said shortly: sampling settings by name, and texts that read well in a terminal."""

from typing import Any

import pytest
from making import TEXTS, as_users_run_it, direction, shared_model

import tl_steer as ts
from tl_steer.errors import SteerError

SETTINGS = {
    "max_new_tokens": 3, "samples": 2, "temperature": 0.8, "top_p": 0.9, "top_k": 7, "seed": 3,
    "stop_at_eos": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama() -> Any:
    return shared_model("bridge", "llama")


@pytest.fixture(scope="module")
def glad(llama: Any) -> ts.Steering:
    return ts.Steering(ts.Add(direction(llama, "blocks.1.hook_resid_post"), 2.0))


def test_settings_by_name_are_those_of_a_sampling(llama: Any, glad: ts.Steering) -> None:
    for write in (ts.generate, ts.compare):
        named = write(llama, TEXTS, glad, **SETTINGS, progress=False)
        whole = write(llama, TEXTS, glad, ts.Sampling(**SETTINGS), progress=False)
        assert named.sampling == whole.sampling == ts.Sampling(**SETTINGS)
        assert named.texts == whole.texts
    few = ts.generate(llama, TEXTS, max_new_tokens=2, progress=False)
    assert few.sampling == ts.Sampling(max_new_tokens=2)
    greedy = ts.generate(llama, TEXTS, temperature=0, max_new_tokens=2, progress=False)
    assert greedy.sampling.temperature == 0


@pytest.mark.parametrize("write", [ts.generate, ts.compare])
def test_settings_come_one_way_or_the_other(llama: Any, glad: ts.Steering, write: Any) -> None:
    with pytest.raises(SteerError, match=r"seed=1.*not both"):
        write(llama, TEXTS, glad, ts.Sampling(2), seed=1)
    with as_users_run_it():
        with pytest.raises(SteerError, match="Sampling"):
            write(llama, TEXTS, glad, 20)
        with pytest.raises(SteerError, match="temperature"):
            write(llama, TEXTS, glad, temperature=-1.0)


def test_texts_stand_below_each_other(llama: Any, glad: ts.Steering) -> None:
    came = ts.compare(llama, TEXTS[:2], glad, samples=2, max_new_tokens=30, progress=False)
    lines = str(came).splitlines()
    assert max(map(len, lines)) <= 96
    assert [line for line in lines if "│" not in line] == [TEXTS[0], "", TEXTS[1], ""]
    named = [line.split("│")[0].strip() for line in lines if "│" in line]
    assert [name for name in named if name] == ["unsteered", "steered"] * 4
    for text in came.texts:
        words = " ".join(line.split("│")[-1].strip() for line in lines)
        assert " ".join(text.split()) in words
