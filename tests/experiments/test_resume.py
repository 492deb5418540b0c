"""What was finished is kept, whatever ends a sweep; and going on gives the same."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sweeping import SAMPLING, small, swept

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.experiments import _workers as workers
from tl_steer.experiments._content import content, digest
from tl_steer.experiments._store import CellStore, StoredCellWarning

pytestmark = pytest.mark.once

KILLS = int(os.environ.get("TL_STEER_KILLS", "2"))


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted((folder / "cells").glob("*.parquet"))}


def rows_written(model: Any, folder: Path, **changes: Any) -> int:
    """How many cells are made and not read."""
    made: list[int] = []
    run = workers.Job.run

    def counted(self: Any, model: Any, cells: Any, wanted: Any) -> Any:
        made.append(len(wanted))
        return run(self, model, cells, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers.Job, "run", counted)
        swept(model, folder, **changes)
    return sum(made)


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    model = small()
    assert rows_written(model, tmp_path) == 14
    before = files(tmp_path)
    assert len(before) == 14
    assert rows_written(small(), tmp_path) == 0
    assert rows_written(model, tmp_path, strengths=[-2.0, 1.0, 3.0, 5.0]) == 4
    assert {name: files(tmp_path)[name] for name in before} == before
    changes: list[dict[str, Any]] = [
        {"scopes": ts.generated},
        {"judges": ()},
        {"seeds": [7]},
        {"sampling": ts.Sampling(5, samples=2, stop_at_eos=False)},
        {"neutral": ("the film",)},
    ]
    for change in changes:
        assert rows_written(model, tmp_path, **change) > 0


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    model = small()
    swept(model, tmp_path)
    next(iter(model.original_model.parameters())).data[0, 0] += 1
    assert rows_written(model, tmp_path) == 14


def test_a_lost_cell_is_made_again(tmp_path: Path) -> None:
    model = small()
    whole = swept(model, tmp_path)
    before = files(tmp_path)
    lost = sorted(before)[3]
    (tmp_path / "cells" / lost).unlink()
    again = swept(model, tmp_path)
    pd.testing.assert_frame_equal(again.texts, whole.texts)
    (tmp_path / "cells" / lost).write_bytes(b"not parquet")
    with pytest.warns(StoredCellWarning, match=f"1 of the cells .*{lost}: not a whole parquet"):
        again = swept(model, tmp_path)
    pd.testing.assert_frame_equal(again.texts, whole.texts)
    assert files(tmp_path) == before


def test_with_and_without_a_folder(tmp_path: Path) -> None:
    model = small()
    kept, loose = swept(model, tmp_path).texts, swept(model).texts
    pd.testing.assert_frame_equal(kept.drop(columns="cell"), loose.drop(columns="cell"))


def test_killed_at_any_moment(tmp_path: Path) -> None:
    whole = swept(small(), tmp_path / "whole")
    command = [sys.executable, str(Path(__file__).with_name("sweeping.py"))]
    numbers, folder = random.Random(0), tmp_path / "killed"
    (folder / "cells").mkdir(parents=True)
    for _ in range(KILLS):
        kept = files(folder)
        process = subprocess.Popen(
            [*command, str(folder)], env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        enough = numbers.randint(1, 13)
        while process.poll() is None and len(files(folder)) < enough:
            time.sleep(0.001)
        time.sleep(numbers.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = files(folder)
        assert {name: now[name] for name in kept} == kept
        for name in list(now)[numbers.randint(2, 13) :]:
            (folder / "cells" / name).unlink()
    found = swept(small(), folder)
    pd.testing.assert_frame_equal(found.texts, whole.texts)
    assert sorted(files(folder)) == sorted(files(tmp_path / "whole"))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = small(), []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SteerError, match=r"No space left.*finished before is kept"):
            swept(model, tmp_path)
    assert len(files(tmp_path)) == 5
    assert not list((tmp_path / "cells").glob("*.part"))
    pd.testing.assert_frame_equal(swept(model, tmp_path).texts, swept(model, tmp_path / "b").texts)


def test_an_unwritable_folder_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SteerError, match="cannot be written to"):
        swept(small(), tmp_path / "file")
    with pytest.raises(SteerError, match="cannot be written to"):
        CellStore(tmp_path / "file")


def scope_of_this_module(context: Any) -> Any:
    return context.generated


def test_content() -> None:
    sampling = digest(SAMPLING)
    assert sampling == digest(ts.Sampling(4, samples=2, stop_at_eos=False))
    several = [
        SAMPLING,
        ts.Sampling(4, samples=2),
        1,
        1.0,
        True,
        "1",
        None,
        (1, 2),
        (2, 1),
        slice(1, 2),
        {"a": 1},
        {1, 2},
        ts.everywhere,
        ts.generated,
        scope_of_this_module,
        ts.Positions(1, 2),
        ts.Positions(1, 3),
        ts.scopes.AllOf(ts.generated, ts.Keywords("film")),
        ts.scopes.AllOf(ts.generated, ts.Keywords("films")),
    ]
    assert len({digest(each) for each in several}) == len(several)
    assert content({2, 1}) == content({1, 2})
    for wrong in (lambda context: context.real, object()):
        with pytest.raises(SteerError, match="cannot be told from others"):
            digest(wrong)


def test_a_lambda_is_a_scope_where_nothing_is_kept(tmp_path: Path) -> None:
    model, scope = small(), {"mine": lambda context: context.generated}
    assert len(swept(model, scopes=scope).cells) == 14
    with pytest.raises(SteerError, match="cannot be told from others"):
        swept(model, tmp_path, scopes=scope)
