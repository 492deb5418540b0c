import io
import json
import math
import os
import pickle
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from safetensors.torch import save as to_bytes

import tl_steer as ts
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import SteerError, StorageError
from tl_steer.lens.protocol import ModelInfo

AT = "blocks.1.hook_resid_post"
Z = "blocks.2.attn.hook_z"
ORIGIN = Provenance(
    ModelInfo("small-llama", 4, 32, "raw"),
    "mean difference",
    data="Kritiken, «gut» und schlecht ☺",
    n_positive=3,
    n_negative=4,
    read="MeanOfTokens()",
    left_out="7 first, 1 to 2 massive",
    version="0.1.0",
)
one_folder = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def directions() -> ts.Directions:
    generator = torch.Generator().manual_seed(0)
    return ts.Directions({
        AT: ts.Direction(torch.randn(32, generator=generator), AT, 1 / 3, ORIGIN),
        Z: ts.Direction(torch.randn(4, 8, generator=generator), Z, 1e-30, ORIGIN),
    })  # fmt: skip


def assert_same(found: ts.Directions, expected: ts.Directions) -> None:
    assert list(found) == list(expected)
    for name, each in expected.items():
        assert torch.equal(found[name].vector, each.vector)
        assert found[name].vector.dtype == torch.float32
        assert (found[name].hook_name, found[name].scale) == (each.hook_name, each.scale)
        assert found[name].provenance == each.provenance


def with_header(path: Path, change: Any) -> Path:
    """A file as ours, with something else in its description."""
    header = {"format": 1, "directions": {}}
    text = change if isinstance(change, str) else json.dumps(header | change)
    path.write_bytes(to_bytes({AT: torch.ones(2)}, metadata={"tl_steer": text}))
    return path


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = directions().save(tmp_path / "joy.safetensors")
    assert path == tmp_path / "joy.safetensors"
    assert_same(ts.Directions.load(path), directions())
    assert_same(ts.Directions.load(str(path)), directions())


def test_one_direction_is_saved_too(tmp_path: Path) -> None:
    joy = directions()[Z]
    assert_same(ts.Directions.load(joy.save(tmp_path / "z.safetensors")), ts.Directions({Z: joy}))


@one_folder
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9),
    st.floats(0, allow_infinity=False),
    st.text(),
    st.integers(0, 10**9),
)
def test_any_numbers_and_any_words_come_back(
    tmp_path: Path, numbers: list[float], scale: float, words: str, count: int
) -> None:
    origin = Provenance(ModelInfo(words, 4, 32, words), words, data=words, n_positive=count)
    joy = ts.Direction(torch.tensor(numbers), AT, scale, origin)
    path = joy.save(tmp_path / "joy.safetensors")
    assert_same(ts.Directions.load(path), ts.Directions({AT: joy}))


@one_folder
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, share: float) -> None:
    whole = directions().save(tmp_path / "whole.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: math.floor(share * len(whole))])
    with pytest.raises(StorageError, match=r"cut\.safetensors: not a whole safetensors file"):
        ts.Directions.load(cut)


@one_folder
@given(st.data())
def test_a_damaged_file_is_refused_or_whole(tmp_path: Path, data: st.DataObject) -> None:
    """One byte of the description is changed; whatever it makes, nothing but our error comes."""
    whole = bytearray(directions().save(tmp_path / "whole.safetensors").read_bytes())
    (header,) = struct.unpack("<Q", whole[:8])
    whole[data.draw(st.integers(0, 7 + header))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(bytes(whole))
    try:
        found = ts.Directions.load(damaged)
    except SteerError:
        return
    assert all(isinstance(each, ts.Direction) for each in found.values())


@one_folder
@given(st.binary(max_size=400))
def test_random_bytes_are_refused(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "noise.safetensors"
    path.write_bytes(noise)
    with pytest.raises(StorageError, match="noise"):
        ts.Directions.load(path)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("how", ["pickle", "torch", "numpy"])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, how: str) -> None:
    trace = tmp_path / "it-was-run"
    content = io.BytesIO()
    if how == "pickle":
        pickle.dump(Hostile(trace), content)
    elif how == "torch":
        torch.save({AT: Hostile(trace)}, content)
    else:
        np.save(content, np.array([Hostile(trace)], dtype=object), allow_pickle=True)
    path = tmp_path / "joy.safetensors"
    path.write_bytes(content.getvalue())
    kind = {"pickle": "a pickle", "torch": "a zip archive", "numpy": "a numpy array"}[how]
    with pytest.raises(StorageError, match=f"not a safetensors file, but {kind}.*that wrote it"):
        ts.Directions.load(path)
    assert not trace.exists()
    if how == "pickle":  # it would have been run by what reads pickles
        pickle.loads(content.getvalue())
        assert trace.exists()


def test_a_foreign_file_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for metadata in (None, {"format": "pt"}):
        path.write_bytes(to_bytes({"weight": torch.ones(2)}, metadata=metadata))
        with pytest.raises(StorageError, match="but tl_steer did not save it"):
            ts.Directions.load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "written in format 2; this tl_steer reads up to 1. Install a newer"),
        ({"format": "many"}, "description cannot be read"),
        ({"format": 0}, "description cannot be read"),
        ({"format": math.inf}, "description cannot be read"),
        ("{", "description cannot be read"),
        ("[]", "description cannot be read"),
        ("[" * 100_000, "description cannot be read"),
        ({"directions": None}, "description is incomplete"),
        ({"directions": {}}, "no direction"),
        ({"directions": {AT: {}}}, "description is incomplete"),
        ({"directions": {AT: []}}, "description is incomplete"),
        ({"directions": {"blocks.9.hook_mlp_out": {"scale": 1.0}}}, "description is incomplete"),
        ({"directions": {AT: {"scale": 1.0, "hook_name": AT, "model": 5, "method": ""}}},
         "description is incomplete"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    path = with_header(tmp_path / "odd.safetensors", change)
    with pytest.raises(StorageError, match=rf"odd\.safetensors: .*{words}"):
        ts.Directions.load(path)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    whole = directions().save(tmp_path / "joy.safetensors").read_bytes()
    path = tmp_path / "nan.safetensors"
    path.write_bytes(whole[:-4] + struct.pack("<f", math.nan))
    with pytest.raises(SteerError, match="NaN or infinite"):
        ts.Directions.load(path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.safetensors: no such file"):
        ts.Directions.load(tmp_path / "none.safetensors")
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    with pytest.raises(StorageError, match=r"folder\.safetensors"):
        ts.Directions.load(folder)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    taken, file = tmp_path / "taken.safetensors", tmp_path / "file"
    taken.mkdir()
    file.touch()
    for target in (taken, file / "joy.safetensors", tmp_path / "missing" / "joy.safetensors"):
        with pytest.raises(StorageError, match=rf"{target}: cannot be written: \w+"):
            directions().save(target)
    assert sorted(tmp_path.iterdir()) == [file, taken]
    assert list(taken.iterdir()) == []


def test_another_ending_and_nothing_to_save_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"ends with \.safetensors"):
        directions().save(tmp_path / "joy.pt")
    with pytest.raises(StorageError, match="at least one direction to save"):
        ts.Directions({}).save(tmp_path / "joy.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_older_file_and_nothing_else(
    tmp_path: Path, failing: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = directions().save(tmp_path / "joy.safetensors")

    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(failing, fail)
    expected = StorageError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        (2 * directions()[AT]).save(path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    assert_same(ts.Directions.load(path), directions())


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = directions().save(tmp_path / "joy.safetensors")
    one = ts.Directions({AT: -directions()[AT]})
    one.save(path)
    assert_same(ts.Directions.load(path), one)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
def test_others_may_read_what_they_may_read_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = directions().save(tmp_path / "joy.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
