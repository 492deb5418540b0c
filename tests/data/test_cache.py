import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tl_steer.data._cache import build_once, cache_dir
from tl_steer.errors import AssetError

pytestmark = pytest.mark.once

# Processes of their own, each forked from one that has imported what they need.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tl_steer.data._cache"])


def write_slowly(folder: Path) -> None:
    """Leave the folder visibly incomplete for a while."""
    (folder / "first").write_text(str(os.getpid()))
    time.sleep(0.5)
    (folder / "second").write_text(str(os.getpid()))


def build_in_process(target: Path, log: Path) -> None:
    def build(folder: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        write_slowly(folder)

    build_once(target, build)
    # What every process sees on return is complete, and from one writer.
    assert (target / "first").read_text() == (target / "second").read_text()


def build_for_ever(target: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        time.sleep(60)

    build_once(target, build)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_the_variable_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TL_STEER_CACHE", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere"
    monkeypatch.delenv("TL_STEER_CACHE")
    assert cache_dir().is_absolute()
    assert "tl_steer" in cache_dir().parts


def test_a_folder_is_built_once_and_then_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    calls = []

    def build(folder: Path) -> None:
        calls.append(folder)
        assert list(folder.iterdir()) == []
        assert not target.exists()
        (folder / "file").write_text("content")

    assert build_once(target, build) == target
    before = (target / "file").stat()
    assert build_once(target, build) == target
    assert len(calls) == 1
    assert (target / "file").stat() == before
    assert visible(target.parent) == ["target"]


def test_a_filled_cache_needs_no_lock_and_no_writing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    build_once(target, lambda folder: pytest.fail("built again"))
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_interrupted_build_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(type(error)):
        build_once(tmp_path / "target", build)
    assert visible(tmp_path) == []
    build_once(tmp_path / "target", write_slowly)
    assert visible(tmp_path) == ["target"]


def test_what_a_killed_process_left_is_cleaned_away(tmp_path: Path) -> None:
    target = tmp_path / "target"
    process = PROCESSES.Process(target=build_for_ever, args=(target,))
    process.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".target.partial/half")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not target.exists()

    build_once(target, write_slowly)
    assert visible(tmp_path) == ["target"]
    assert sorted(path.name for path in target.iterdir()) == ["first", "second"]


def test_two_processes_at_once_build_it_once(tmp_path: Path) -> None:
    target, log = tmp_path / "target", tmp_path / "log"
    processes = [PROCESSES.Process(target=build_in_process, args=(target, log)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(AssetError, match=r"file.*Set TL_STEER_CACHE to such a folder"):
        build_once(file / "models" / "target", write_slowly)
    assert file.read_text() == "not a folder"


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(AssetError, match="No space left on device"):
        build_once(tmp_path / "target", build)
    assert visible(tmp_path) == []
