"""MultipleChoice: questions with choices, read from a user's file; nothing is ever executed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from tl_steer.arguments import checked
from tl_steer.data._texts import plain_texts, short
from tl_steer.errors import DataError
from tl_steer.files.csv_files import table
from tl_steer.files.json_files import json_lines, parsed
from tl_steer.files.opening import AnyPath

_Row = tuple[str, dict[str, Any]]
"""Where it stands, and its fields."""


@checked
@dataclass(frozen=True, init=False)
class MultipleChoice:
    r"""Questions, each with several choices, one of them right.

    Args:
        questions: What the model reads before a choice; end them as the model should see them,
            such as ``"The capital of France is"`` or ``"Question: …\nAnswer:"``.
        choices: Two or more for each question.
        answers: The number of the right one, counted from 0.
        name: What the set is called in reports.

    Raises:
        DataError: For no question, unequal numbers, fewer than two choices, equal ones, or an
            answer that is none of them.
    """

    questions: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    answers: tuple[int, ...]
    name: str

    def __init__(
        self,
        questions: Iterable[str],
        choices: Iterable[Iterable[str]],
        answers: Iterable[int],
        *,
        name: str = "",
    ) -> None:
        asked, several, right = plain_texts(questions, "questions"), list(choices), list(answers)
        if not asked or not len(asked) == len(several) == len(right):
            raise DataError(
                f"Got {len(asked)} questions, {len(several)} lists of choices and {len(right)} "
                "answers. Give one of each for every question, and at least one question."
            )
        checked = [_choices(each, f"question {n}") for n, each in enumerate(several)]
        for number, (answer, listed) in enumerate(zip(right, checked, strict=True)):
            if not _is_index(answer, len(listed)):
                raise DataError(
                    f"question {number}: expected a number from 0 to {len(listed) - 1} as the "
                    f"answer, got {short(answer)}."
                )
        fields = {"questions": asked, "choices": tuple(checked), "answers": tuple(right)}
        for field, value in {**fields, "name": name}.items():
            object.__setattr__(self, field, value)  # frozen, and this is its constructor

    @classmethod
    def from_jsonl(
        cls,
        path: AnyPath,
        *,
        question: str = "question",
        choices: str | Sequence[str] = "choices",
        answer: str = "answer",
        name: str | None = None,
    ) -> "MultipleChoice":
        """Read a file with one JSON object a line.

        Args:
            path: The file, in UTF-8.
            question: The field that holds the question.
            choices: The field that holds a list of texts, or several fields with one choice each.
            answer: The field with the right choice: its number counted from 0, the text of the
                choice, or its letter (``"A"`` for the first).
            name: What the set is called in reports; the file's name unless given.

        Raises:
            DataError: The file cannot be read, or a line (named) is broken, lacks a field, or has
                choices or an answer that do not fit.
        """
        rows = json_lines(path, _EXAMPLE)
        return cls._read(rows, question, choices, answer, name or Path(path).stem, path)

    @classmethod
    def from_csv(
        cls,
        path: AnyPath,
        *,
        question: str = "question",
        choices: str | Sequence[str] = "choices",
        answer: str = "answer",
        name: str | None = None,
    ) -> "MultipleChoice":
        """Read a CSV file with a header.

        Args:
            path: The file, in UTF-8.
            question: The column that holds the question.
            choices: Several columns with one choice each, an empty one being no choice; or one
                column that holds a list in JSON: ``["yes", "no"]``.
            answer: The column with the right choice: its number counted from 0, its text or its
                letter.
            name: What the set is called in reports; the file's name unless given.

        Raises:
            DataError: As :meth:`from_jsonl`.
        """
        rows = _csv_rows(path)
        return cls._read(rows, question, choices, answer, name or Path(path).stem, path)

    @classmethod
    def _read(
        cls,
        rows: Iterable[_Row],
        question: str,
        choices: str | Sequence[str],
        answer: str,
        name: str,
        path: AnyPath,
    ) -> "MultipleChoice":
        asked: list[str] = []
        several: list[tuple[str, ...]] = []
        right: list[int] = []
        for where, row in rows:
            wanted = [question, *([choices] if isinstance(choices, str) else choices), answer]
            missing = [each for each in wanted if row.get(each) is None]
            if missing:
                raise DataError(
                    f"{where} lacks {missing}; it has {list(row)}. Name the columns with "
                    "question=, choices= and answer=."
                )
            asked += plain_texts([row[question]], f"{where}, {question}")
            several.append(_choices(_listed(row, choices, where), where))
            right.append(_answer(row[answer], several[-1], where))
        if not asked:
            raise DataError(f"{path} holds no question.")
        return cls(asked, several, right, name=name)

    def __len__(self) -> int:
        """How many questions."""
        return len(self.questions)

    def __repr__(self) -> str:
        """How many questions and choices."""
        counts = sorted({len(each) for each in self.choices})
        several = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"MultipleChoice({self.name or 'unnamed'}: {len(self)} questions, {several} choices)"


_EXAMPLE = '{"question": "Snow is", "choices": ["white", "green"], "answer": 0}'


def _csv_rows(path: AnyPath) -> Iterator[_Row]:
    header, rows = table(path)
    if len(set(header)) < len(header):
        raise DataError(f"{path}: two columns have the same name; the header is {header}.")
    for row in rows:
        yield f"{path}, line {row.line}", dict(zip(header, row.cells, strict=True))


def _listed(row: dict[str, Any], choices: str | Sequence[str], where: str) -> Any:
    if not isinstance(choices, str):
        # Questions of one file may have different numbers of choices; the last ones are empty.
        return [row[name] for name in choices if str(row[name]).strip()]
    found = row[choices]
    if not isinstance(found, str):
        return found
    return parsed(
        found,
        f"{where}: {choices} is {short(found)}; a list in JSON is wanted, such as "
        '["yes", "no"], or several columns, choices=("A", "B")',
    )


def _choices(found: Any, where: str) -> tuple[str, ...]:
    listed = plain_texts(found, f"{where}, choices")
    if len(listed) < 2 or len(set(listed)) < len(listed):
        raise DataError(f"{where}: expected two or more different choices, got {listed}.")
    return listed


def _answer(found: Any, choices: Sequence[str], where: str) -> int:
    """The number of the right choice, where what came can be read in one way only."""
    readings = {number for number, choice in enumerate(choices) if choice == found}
    if isinstance(found, str):
        letter = ascii_uppercase[: len(choices)].find(found.strip()) if found.strip() else -1
        readings |= {letter} if letter >= 0 and len(found.strip()) == 1 else set()
        digits = found.strip()
        if digits in map(str, range(len(choices))):
            readings.add(int(digits))
    elif _is_index(found, len(choices)):
        readings.add(found)
    if len(readings) == 1:
        return readings.pop()
    problem = "can be read as several of them" if readings else "is none of them"
    raise DataError(
        f"{where}: the answer {short(found)} {problem}: {list(choices)}. Give its number, counted "
        f"from 0: 0 to {len(choices) - 1}. If the choices are numbers or letters, write it as a "
        "JSON number."
    )


def _is_index(value: object, n: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < n
