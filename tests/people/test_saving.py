"""What is written for raters, and what is kept from them."""

from pathlib import Path

import pytest
from making_people import texts

from tl_steer.errors import StorageError
from tl_steer.people._sheet import rating_sheet

SHEET = rating_sheet(texts(("SECRET_a", "SECRET_b")), question="How?")
OTHER = rating_sheet(texts(("SECRET_a", "SECRET_b")), question="How?", seed=1)


def test_three_files_and_only_the_key_knows(tmp_path: Path) -> None:
    saved = SHEET.save(tmp_path / "a" / "b")
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {
        "form.html",
        "sheet.csv",
        "key.csv",
    }
    assert saved.form.read_text(encoding="utf-8") == SHEET.html()
    assert saved.sheet.read_bytes().decode("utf-8") == SHEET.csv()
    assert [
        path.name for path in saved.form.parent.iterdir() if b"SECRET" in path.read_bytes()
    ] == ["key.csv"]
    assert "key.csv: keep it; with it raters would know" in repr(saved)


def test_another_key_is_not_replaced_unless_told(tmp_path: Path) -> None:
    saved = SHEET.save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert SHEET.save(tmp_path) == saved
    with pytest.raises(StorageError, match="key of another sheet"):
        OTHER.save(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    OTHER.save(tmp_path, overwrite=True)
    assert OTHER.sheet in saved.key.read_text(encoding="utf-8")
    assert OTHER.sheet in saved.form.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write there"):
        SHEET.save(tmp_path / "file")


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SHEET.save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        OTHER.save(tmp_path, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
