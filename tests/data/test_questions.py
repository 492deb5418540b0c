"""Questions out of files, and what is said of files that do not fit."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from tl_steer.data._questions import MultipleChoice
from tl_steer.errors import DataError

SNOW = MultipleChoice(
    ["Snow is", "Two and two\nare"], [["white", "green"], ["3", "4", "5"]], [0, 1], name="small"
)


def jsonl(folder: Path, *rows: object) -> Path:
    path = folder / "small.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_jsonl_by_number_text_and_letter(tmp_path: Path) -> None:
    rows = [
        {"question": q, "choices": list(c), "more": 1}
        for q, c in zip(SNOW.questions, SNOW.choices, strict=True)
    ]
    for answers in ([0, 1], ["white", "4"], ["A", "B"], [0, "B"]):
        path = jsonl(tmp_path, *({**r, "answer": a} for r, a in zip(rows, answers, strict=True)))
        assert MultipleChoice.from_jsonl(path) == SNOW
    renamed = [{"q": r["question"], "c": r["choices"], "a": 0} for r in rows]
    path = jsonl(tmp_path, *renamed)
    path.write_text("\ufeff\n" + path.read_text() + "\n\n", encoding="utf-8")
    found = MultipleChoice.from_jsonl(path, question="q", choices="c", answer="a", name="other")
    assert found.answers == (0, 0)
    assert found.name == "other"
    assert repr(found) == "MultipleChoice(other: 2 questions, 2 to 3 choices)"


def test_csv_with_columns_or_a_list(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text(
        'question,A,B,C,answer\r\nSnow is,white,green,,white\r\n"Two and two\nare",3,4,5,B\r\n',
        encoding="utf-8",
    )
    assert MultipleChoice.from_csv(path, choices=("A", "B", "C")) == SNOW
    path.write_text("question,A,B,answer\nSnow\x0b\u2028is,white,green,0\n", encoding="utf-8")
    assert MultipleChoice.from_csv(path, choices=("A", "B")).questions == ("Snow\x0b\u2028is",)
    path.write_text(
        'question,choices,answer\nSnow is,"[""white"", ""green""]",0\n'
        '"Two and two\nare","[""3"", ""4"", ""5""]",4\n'
    )
    assert MultipleChoice.from_csv(path) == SNOW


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.text(min_size=1).filter(str.strip),
            st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=5, unique=True),
            st.integers(0, 1),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, list[str], int]]
) -> None:
    path = jsonl(
        tmp_path_factory.mktemp("questions"),
        *({"question": q, "choices": c, "answer": a} for q, c, a in rows),
    )
    assert MultipleChoice.from_jsonl(path) == MultipleChoice(*zip(*rows, strict=True), name="small")


GOOD = {"question": "Snow is", "choices": ["white", "green"], "answer": 0}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1], "line 3: a JSON list came"),
        ({"question": "Snow is"}, r"line 3 lacks \['choices', 'answer'\]; it has \['question'\]"),
        ({**GOOD, "question": 3}, r"line 3, question\[0\] is 3, a int"),
        ({**GOOD, "question": " "}, "line 3, question: 1 of 1 texts are empty"),
        ({**GOOD, "choices": "white"}, "line 3: choices is 'white'; a list in JSON"),
        ({**GOOD, "choices": ["white"]}, "line 3: expected two or more different choices"),
        ({**GOOD, "choices": ["white", "white"]}, "two or more different choices"),
        ({**GOOD, "answer": 2}, "line 3: the answer 2 is none of them"),
        ({**GOOD, "answer": True}, "the answer True is none of them"),
        ({**GOOD, "answer": "blue"}, "the answer 'blue' is none of them"),
        ({**GOOD, "answer": "C"}, "the answer 'C' is none of them"),
        ({**GOOD, "choices": ["B", "A"], "answer": "A"}, "can be read as several of them"),
        ({**GOOD, "choices": ["1", "0"], "answer": "1"}, "can be read as several of them"),
    ],
)
def test_the_line_is_named(tmp_path: Path, row: object, message: str) -> None:
    path = jsonl(tmp_path, GOOD)
    path.write_text(path.read_text() + "\n\n" + json.dumps(row))
    with pytest.raises(DataError, match=message):
        MultipleChoice.from_jsonl(path)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        MultipleChoice.from_jsonl(path)
    path.write_text("__import__('os').abort()\n")
    with pytest.raises(DataError, match="line 1: not JSON"):
        MultipleChoice.from_jsonl(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="line 1: not JSON"):
        MultipleChoice.from_jsonl(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        MultipleChoice.from_csv(path)
    for text, message in {
        "": "empty; the first line",
        "question,choices,answer\n": "holds no question",
        "a,a\n1,2\n": "two columns have the same name",
        "question,choices,answer\nSnow, white\n": "line 2: 2 fields came and the header has 3",
        'question,choices,answer\n"Snow" is,x,y\n': "line 2: not CSV",
    }.items():
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            MultipleChoice.from_csv(path)


def test_what_is_refused_without_a_file() -> None:
    with pytest.raises(DataError, match="0 questions"):
        MultipleChoice([], [], [])
    with pytest.raises(DataError, match="and 2 answers"):
        MultipleChoice(["Snow is"], [["white", "green"]], [0, 1])
    with pytest.raises(
        DataError, match="question 0: expected a number from 0 to 1 as the answer, got 2"
    ):
        MultipleChoice(["Snow is"], [["white", "green"]], [2])
