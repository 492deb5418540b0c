"""Ratings read back: whole, in many forms, or refused with the file and the line."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from making_people import as_a_spreadsheet_writes, as_the_form_writes, of_item, texts, written

from tl_steer.errors import DataError, MismatchError, SteerError, StorageError
from tl_steer.people._read_back import read_ratings
from tl_steer.people._sheet import RatingSheet, rating_sheet

CONDITIONS = ("none", "=joy, \"+4\";\n'x'")


@cache
def sheet_of(kind: str = "single", **changes: object) -> RatingSheet:
    frame = texts(CONDITIONS, prompts=4, samples=1)
    return rating_sheet(frame, **({"question": "=How?", "kind": kind, "repeats": 0.25} | changes))


def three(item: str) -> tuple[str, str]:
    return "3", ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sheet_of().save(tmp_path)
    return tmp_path


def test_what_was_answered_comes_back_beside_the_key(folder: Path) -> None:
    sheet = sheet_of()
    answers = {item: str(1 + place % 5) for place, item in enumerate(sheet.items["item"])}
    given_back = as_the_form_writes(sheet, "Zoë", lambda item: (answers[item], f"=on {item}"))
    written(folder / "from Zoë.csv", given_back)
    found = read_ratings(folder)
    assert found.raters == ["Zoë"]
    assert found.question == sheet.question
    assert found.sheet == sheet.sheet
    frame = found.frame.set_index("item")
    assert list(frame.index) == list(sheet.items["item"])
    for name in ("condition", "prompt_index", "sample"):
        assert dict(frame[name]) == of_item(sheet, name)
    assert dict(frame["rating"]) == {item: float(value) for item, value in answers.items()}
    assert dict(frame["comment"]) == {item: f"=on {item}" for item in answers}
    assert dict(frame["repeat"]) == {k: v != "" for k, v in of_item(sheet, "repeat_of").items()}
    assert not frame["missing"].any()


@given(
    st.data(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        str.strip
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["form", "spreadsheet"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(deadline=None, max_examples=40)
def test_any_comment_and_name_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    rater: str,
    delimiter: str,
    source: str,
    encoding: str,
) -> None:
    sheet = sheet_of(kind="pair")
    words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
    options = st.sampled_from(["first", "second", "same", "skip", ""])
    answers = {item: (data.draw(options), data.draw(words)) for item in sheet.items["item"]}
    if source == "form":
        text = as_the_form_writes(sheet, rater, answers.__getitem__).removeprefix("\ufeff")
    else:
        # Commas at the beginning of a comment are no formula, the apostrophe is the form's.
        guarded = {item: (rating, "c" + words) for item, (rating, words) in answers.items()}
        answers = guarded
        text = as_a_spreadsheet_writes(sheet, "n" + rater, guarded.__getitem__, delimiter)
        rater = "n" + rater
    folder = tmp_path_factory.mktemp("people")
    sheet.save(folder)
    file = written(folder / "r.csv", text.encode(encoding))
    frame = read_ratings(folder / "key.csv", file).frame.set_index("item")
    assert set(frame["rater"]) == {rater.strip()}
    side = of_item(sheet, "side")
    for item, (rating, comment) in answers.items():
        wanted = {"same": 0.5, "": np.nan, "skip": np.nan}.get(rating, float(rating == side[item]))
        assert np.array_equal(frame.at[item, "rating"], wanted, equal_nan=True)
        assert frame.at[item, "comment"] == comment
        assert frame.at[item, "skipped"] == (rating == "skip")


def test_several_raters_in_one_file_or_many_and_nobody_named(folder: Path) -> None:
    sheet = sheet_of()
    one = as_the_form_writes(sheet, "Ann", three)
    two = as_the_form_writes(sheet, "Ben", three).split("\r\n", 1)[1]
    written(folder / "a.csv", one + two)
    written(folder / "b.csv", as_the_form_writes(sheet, "", three))
    assert read_ratings(folder).raters == ["Ann", "Ben", "b"]
    assert read_ratings(folder, folder / "b.csv").raters == ["b"]


def test_a_name_in_one_row_stands_for_all(folder: Path) -> None:
    text = as_a_spreadsheet_writes(sheet_of(), "", three)
    head, first, rest = text.split("\r\n", 2)
    first = first.replace(";", ";Ann", 1)
    found = read_ratings(folder, written(folder / "x.csv", "\r\n".join([head, first, rest])))
    assert found.raters == ["Ann"]


def test_what_is_not_answered_stays_as_nothing(folder: Path) -> None:
    lines = as_the_form_writes(sheet_of(), "Ann", three).split("\r\n")
    lines[1] = lines[1].replace('"3"', '""')
    lines[2] = lines[2].replace('"3"', '"SKIP "')
    del lines[3]
    found = read_ratings(folder, written(folder / "x.csv", "\r\n".join(lines)))
    frame = found.frame
    assert len(frame) == len(sheet_of())
    assert list(frame["rating"].isna())[:4] == [True, True, True, False]
    assert list(frame["skipped"])[:4] == [False, True, False, False]
    assert list(frame["missing"])[:4] == [False, False, True, False]
    assert len(found) == len(frame) - 3
    assert "1 preferred not to say, 2 without an answer" in repr(found)


@pytest.mark.parametrize("cell", ["3", " 3 ", "3.0", "3,00", "'3"])
def test_numbers_as_spreadsheets_write_them(folder: Path, cell: str) -> None:
    text = as_a_spreadsheet_writes(sheet_of(), "Ann", lambda item: (cell, ""))
    if cell == "'3":
        with pytest.raises(DataError, match="got"):
            read_ratings(folder, written(folder / "x.csv", text))
        return
    assert (read_ratings(folder, written(folder / "x.csv", text)).frame["rating"] == 3).all()


def test_the_page_of_windows_is_read(folder: Path) -> None:
    text = as_a_spreadsheet_writes(sheet_of(), "Zoë", lambda item: ("3", "5 € – naïve"))
    found = read_ratings(folder, written(folder / "x.csv", text.encode("cp1252")))
    assert found.raters == ["Zoë"]
    assert set(found.frame["comment"]) == {"5 € – naïve"}


def test_a_line_that_names_the_separator_is_passed_over(folder: Path) -> None:
    text = "sep=;\r\n" + as_a_spreadsheet_writes(sheet_of(), "Ann", three) + ";;;;;;;\r\n"
    assert len(read_ratings(folder, written(folder / "x.csv", text))) == len(sheet_of())


def broken(change: str) -> bytes:
    """What a rater's file may look like when something went wrong; the third line is to blame."""
    text = as_the_form_writes(sheet_of(), "Ann", three)
    lines = text.split("\r\n")
    changes = {
        "other sheet": lines[2].replace(sheet_of().sheet, "bcdfghjkmn"),
        "no sheet": lines[2].replace(sheet_of().sheet, ""),
        "other item": lines[2].replace(sheet_of().items["item"][1], "wwwwww"),
        "twice": lines[1],
        "beyond": lines[2].replace('"3"', '"6"'),
        "between": lines[2].replace('"3"', '"3.5"'),
        "a word": lines[2].replace('"3"', '"good"'),
        "negative": lines[2].replace('"3"', '"\'-3"'),
        "formula": lines[2].replace('"3"', '"=1+2"'),
        "too many": lines[2] + ',"more"',
        "half": lines[2][:-4],
        "no rater": lines[2].replace("Ann", ""),
    }
    lines[2] = changes.get(change, lines[2])
    if change == "no rater":
        lines[3] = lines[3].replace("Ann", "Ben")
    whole = "\r\n".join(lines)
    whole = {"empty": "", "heads": lines[0], "text": "Dear all,\nthree of five"}.get(change, whole)
    data = whole.encode("utf-8")
    if change == "encoding":
        data = data.replace(b'Ann","' + lines[2][21:27].encode(), b'An\x8d","' + b"x" * 6)
        data = b"\r\n".join([*data.split(b"\r\n")[:2], b'"\x8d"', *data.split(b"\r\n")[2:]])
    return {"binary": b"PK\x03\x04\0\0\0", "odd": b"\xff\xfea"}.get(change, data)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ("other sheet", MismatchError, "line 3: the row is of sheet bcdfghjkmn"),
        ("no sheet", MismatchError, "line 3: the row is of sheet without a name"),
        ("other item", MismatchError, "line 3: item 'wwwwww'"),
        ("twice", DataError, "line 3: 'Ann' has answered .* before, in .*line 2"),
        ("beyond", DataError, "line 3: expected 1, 2, 3, 4, 5, or .*got '6'"),
        ("between", DataError, "line 3: .*got '3.5'"),
        ("a word", DataError, "line 3: .*got 'good'"),
        ("negative", DataError, "line 3: .*got '-3'"),
        ("formula", DataError, "line 3: .*got '=1\\+2'"),
        ("too many", StorageError, "line 3: 6 cells under 5 headers"),
        ("half", StorageError, "line 3: not CSV with commas"),
        ("no rater", DataError, "line 3 names no rater"),
        ("encoding", StorageError, "line 3: byte 0x8d is neither UTF-8 nor cp1252"),
        ("empty", StorageError, "begins with ''"),
        ("heads", DataError, "no rows"),
        ("text", StorageError, "the headers sheet, item, rating"),
        ("binary", StorageError, "zero bytes"),
        ("odd", StorageError, "UTF-16"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    folder: Path, change: str, kind: type[SteerError], words: str
) -> None:
    file = written(folder / "of Ann.csv", broken(change))
    with pytest.raises(kind, match=words) as caught:
        read_ratings(folder)
    assert str(file) in str(caught.value)


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=60)
def test_noise_is_refused_and_never_anything_else(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    sheet_of().save(folder)
    head = b"sheet,item,rating\n" if len(noise) % 2 else b""
    with pytest.raises(SteerError):
        read_ratings(folder, written(folder / "x.csv", head + noise))


def test_one_rater_in_two_files_is_refused(folder: Path) -> None:
    for name in ("a.csv", "b.csv"):
        written(folder / name, as_the_form_writes(sheet_of(), "Ann", three))
    with pytest.raises(DataError, match=r"b\.csv, line 2: 'Ann' has answered .* in .*a\.csv"):
        read_ratings(folder)


def test_no_file_a_missing_one_and_a_broken_key_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no raters' files"):
        read_ratings(folder)
    with pytest.raises(StorageError, match="cannot be read"):
        read_ratings(folder, folder / "none.csv")
    with pytest.raises(StorageError, match="cannot be read"):
        read_ratings(folder / "elsewhere", folder / "none.csv")
    key = (folder / "key.csv").read_bytes().decode("utf-8-sig")
    large = key.replace('"0"', f'"{10**30}"')
    for wrong in (key.replace('"0"', '"zero"'), large, key + key.split("\r\n", 1)[1], key[:200]):
        written(folder / "key.csv", wrong)
        with pytest.raises(StorageError, match=r"key\.csv"):
            read_ratings(folder, folder / "x.csv")
