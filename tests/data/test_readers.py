from pathlib import Path

import pandas as pd
import pytest

from tl_steer.data._contrast import ContrastSet
from tl_steer.errors import DataError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_jsonl_comes_back(tmp_path: Path) -> None:
    path = write(
        tmp_path / "films.jsonl",
        '\ufeff{"text": "schön", "label": 1}\n\n{"label": 0, "text": "b, \\"c\\"", "more": []}\n',
    )
    expected = ContrastSet(["schön"], ['b, "c"'], name="films", source=str(path))
    assert ContrastSet.from_jsonl(path) == expected
    assert ContrastSet.from_jsonl(str(path), positive=0, name="turned").positive == ('b, "c"',)


def test_jsonl_of_pairs_comes_back(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", '{"yes": "a", "no": "b"}\n{"yes": "c", "no": "d"}')
    contrast = ContrastSet.from_jsonl(path, pair=("yes", "no"))
    assert contrast == ContrastSet(["a", "c"], ["b", "d"], paired=True, name="p", source=str(path))


def test_csv_comes_back(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", 'review,stars\n"a, ""b""\nc",pos\nNA,neg\n12,pos\n')
    contrast = ContrastSet.from_csv(path, text="review", label="stars", positive="pos")
    assert contrast.positive == ('a, "b"\nc', "12")
    assert contrast.negative == ("NA",)
    numbers = write(tmp_path / "n.csv", "text,label\na,1\nb,0\n")
    assert ContrastSet.from_csv(numbers).positive == ("a",)
    pairs = write(tmp_path / "p.csv", "yes,no\n1,2\n3,4\n")
    assert ContrastSet.from_csv(pairs, pair=("yes", "no")).negative == ("2", "4")


def test_frames_come_back() -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": [0, 1, 0], "other": ["d", "e", "f"]})
    assert ContrastSet.from_frame(frame) == ContrastSet(["b"], ["a", "c"])
    pairs = ContrastSet.from_frame(frame, pair=("text", "other"), name="p")
    assert pairs == ContrastSet(["a", "b", "c"], ["d", "e", "f"], paired=True, name="p")
    frame.loc[1, "text"] = None
    with pytest.raises(DataError, match=r"texts\[1\] is nan"):
        ContrastSet.from_frame(frame)
    with pytest.raises(DataError, match=r"text\[1\] is nan"):
        ContrastSet.from_frame(frame, pair=("text", "other"))
    with pytest.raises(DataError, match="several columns called 'text'"):
        ContrastSet.from_frame(frame.set_axis(["text", "label", "text"], axis=1))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"text": "a", "label": 1}\n{"text": "b", "lab', "line 2: not JSON"),
        ('{"text": "a", "label": 1}\n\n["b", 0]', "line 3: a JSON list came"),
        ('{"text": "a", "lable": 1}', "line 1 lacks 'label'; it has 'text', 'lable'"),
        (b'{"text": "\xe4", "label": 1}', "not UTF-8"),
        ("[" * 100_000, "line 1: not JSON"),
        ('{"text": "a\\ud800", "label": 1}', "line 1: not JSON .half of a character"),
        ("", "Got the labels none"),
    ],
)
def test_a_broken_jsonl_file_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    path = write(tmp_path / "broken.jsonl", content)
    with pytest.raises(DataError, match=says):
        ContrastSet.from_jsonl(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("review,stars\na,1\n", "lacks 'text', 'label'; it has 'review', 'stars'"),
        ("", "not a CSV file"),
        ('text,label\n"a,1\n', "not a CSV file"),
        (b"text,label\n\xe4,1\n", "not UTF-8"),
        ("text,label\na,1\nb,\n", "Give a label for every text"),
        ("text,label\n,1\nb,0\n", "1 of 2 texts are empty"),
    ],
)
def test_a_broken_csv_file_is_named(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = write(tmp_path / "broken.csv", content)
    with pytest.raises(DataError, match=says):
        ContrastSet.from_csv(path)


def test_a_file_that_is_absent_or_a_folder_is_named(tmp_path: Path) -> None:
    for read in (ContrastSet.from_jsonl, ContrastSet.from_csv):
        for path in (tmp_path / "absent", tmp_path):
            with pytest.raises(DataError, match="cannot be read"):
                read(path)
