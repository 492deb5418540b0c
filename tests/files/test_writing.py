"""The one writer: all files that are given, or none of them."""

import ast
from pathlib import Path

import pandas as pd
import pytest

from tl_steer.errors import StorageError
from tl_steer.files.csv_cells import frame_csv
from tl_steer.files.writing import made, utf8, write_all, write_text, write_whole

pytestmark = pytest.mark.once
PACKAGE = Path(__file__).parents[2] / "tl_steer"
WRITERS = {"write_text", "write_bytes", "savefig", "to_csv", "to_parquet", "to_html", "to_markdown"}
"""Of others: what writes a file, or makes a page in another way than ours."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    write_all({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert write_whole(tmp_path / "a", b"3") == tmp_path / "a"
    write_text(tmp_path / "c", "é\n\ud800\r\n")
    assert files_of(tmp_path) == {"a": b"3", "b": b"2", "c": "é\n\ufffd\r\n".encode()}
    assert utf8("\ud83d\ude00") == "😀".encode()


@pytest.mark.parametrize("fails_at", [0, 1])
def test_of_several_none_is_written_where_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    write_all({tmp_path / "a": b"old", tmp_path / "b": b"old"})
    synced = iter(range(2))

    def full(_: int) -> None:
        if next(synced) == fails_at:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tl_steer.files.writing.os.fsync", full)
    with pytest.raises(StorageError, match="cannot be written: No space left"):
        write_all({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert files_of(tmp_path) == {"a": b"old", "b": b"old"}


def test_a_folder_that_cannot_be_made_or_is_not_there_is_refused(tmp_path: Path) -> None:
    assert made(tmp_path / "a" / "b").is_dir()
    write_whole(tmp_path / "file", b"")
    with pytest.raises(StorageError, match="cannot write there"):
        made(tmp_path / "file" / "folder")
    with pytest.raises(StorageError, match="cannot be written"):
        write_whole(tmp_path / "nowhere" / "a", b"")


def test_a_table_for_a_spreadsheet_runs_nothing() -> None:
    frame = pd.DataFrame({"=a": ["=1+1", "b\nc"], "n": [-1.5, float("nan")]})
    assert frame_csv(frame) == "'=a,n\n'=1+1,-1.5\n\"b\nc\",\n"
    assert frame_csv(frame.rename_axis("@row")).startswith("'@row,'=a,n\n0,")


def calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        each.func.attr
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
    }


def test_nothing_else_writes_a_file_or_makes_a_page() -> None:
    """To a buffer, these may write."""
    found = {
        str(path.relative_to(PACKAGE)): sorted(calls(path) & WRITERS)
        for path in PACKAGE.rglob("*.py")
        if calls(path) & WRITERS
    }
    assert found == {
        "data/_reviews.py": ["to_csv"],
        "drawing/rendering.py": ["savefig"],
        "files/csv_cells.py": ["to_csv"],
        "reports/_saving.py": ["to_parquet"],
    }
