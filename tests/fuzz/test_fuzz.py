"""Whatever a file holds, it is read, or refused in one sentence that names it.

A short run by default; ``TL_STEER_FUZZ=10000`` tries as many files of every loader.
"""

import os
import shutil
import traceback
import zlib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from loaders import LOADERS, Loader

from tl_steer.errors import SteerError

SHORT = 40
FILES = int(os.environ.get("TL_STEER_FUZZ", "0"))


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def outcome(loader: Loader, folder: Path) -> str:
    """``"read"``, ``"refused"``, or what came instead of a sentence that names the file."""
    try:
        loader.ask(folder)
    except SteerError as error:
        # A rater's file and the key are read together: either may be to blame.
        named = str(folder) in str(error) or loader.target in str(error)
        return "refused" if named else f"without a name: {error}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        return (
            f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error!s:.200}"
        )
    return "read"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Wheels and reviews are read from the cache; pip looks nowhere."""
    monkeypatch.setenv("TL_STEER_CACHE", str(tmp_path / "tried"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.name)
def test_nothing_raw(loader: Loader, tmp_path: Path) -> None:
    folder, files, others = tmp_path / "tried", loader.files(), loader.others()
    assert outcome(loader, laid_out(folder, files)) == "read"
    found: Counter[str] = Counter()
    for number in range(FILES or max(3, round(SHORT * loader.weight))):
        rng = Random(zlib.crc32(f"{loader.name} {number}".encode()))
        shutil.rmtree(folder)
        data = loader.change(files[loader.target], rng, others)
        came = outcome(loader, laid_out(folder, files | {loader.target: data}))
        found[came] += 1
        if came not in ("read", "refused"):
            found[f"{came} [first at {number}]"] += found[came] == 1
    print(f"{loader.name}: {dict(found)}")
    assert set(found) <= {"read", "refused"}
    assert found["refused"] > 0


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.name)
def test_what_is_no_file(loader: Loader, tmp_path: Path) -> None:
    """A folder in its place, a link to itself, and nothing at all."""
    folder, files = tmp_path / "tried", loader.files()
    for place in (Path.mkdir, lambda path: path.symlink_to(path), lambda path: None):
        laid_out(folder, files)
        (folder / loader.target).unlink()
        place(folder / loader.target)
        assert outcome(loader, folder) in ("refused", "read")
        shutil.rmtree(folder)
