"""What the tests of people share: texts, sheets, and raters who fill them in."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import pandas as pd

from tl_steer.files.csv_cells import guarded
from tl_steer.people._question import Question
from tl_steer.people._ratings import Ratings
from tl_steer.people._sheet import RatingSheet

HOSTILE = (
    '</script><script>alert(1)</script><img src=x onerror="alert(2)">',
    '=HYPERLINK("http://a.example","b")',
    "+1; -1, @SUM(A1)",
    "\t=1+1",
    "\r\nline\nline\rline",
    "“quotes” \"double\" 'single', ;\t|",
    "שלום עולם 🎉 é \u202e \ud800 \x00\x1b",
    "'=apostrophe first",
    "",
)


def texts(
    conditions: tuple[str, ...] = ("none", "joy +4", "random_00"),
    prompts: int = 6,
    samples: int = 2,
    text: Callable[[str, int, int], str] | None = None,
) -> pd.DataFrame:
    """A frame of continuations, condition after condition as generation gives it."""
    write = text or (lambda *of: f" text {crc32(repr(of).encode())}")
    rows = [
        {
            "condition": condition,
            "prompt_index": prompt,
            "sample": sample,
            "prompt": f"Prompt {prompt}:",
            "text": write(condition, prompt, sample),
        }
        for condition in conditions
        for prompt in range(prompts)
        for sample in range(samples)
    ]
    # As objects: columns of strings hold no lone surrogates.
    return pd.DataFrame(rows, dtype=object).astype({"prompt_index": int, "sample": int})


def as_the_form_writes(
    sheet: RatingSheet, rater: str, answer: Callable[[str], tuple[str, str]]
) -> str:
    """What form.js puts into the file: every cell in quotes, guarded, with a mark and CRLF.

    Args:
        sheet: What is rated.
        rater: The name.
        answer: From an item to its answer and comment.
    """
    rows = [["sheet", "rater", "item", "rating", "comment"]]
    rows += [[sheet.sheet, rater, item, *answer(item)] for item in sheet.items["item"]]
    lines = [",".join('"' + guarded(cell).replace('"', '""') + '"' for cell in row) for row in rows]
    return "\ufeff" + "".join(line + "\r\n" for line in lines)


def as_a_spreadsheet_writes(
    sheet: RatingSheet, rater: str, answer: Callable[[str], tuple[str, str]], delimiter: str = ";"
) -> str:
    """`sheet.csv()` filled in and saved by a spreadsheet: quotes only where needed, no mark."""
    table = list(csv.DictReader(io.StringIO(sheet.csv().removeprefix("\ufeff"), newline="")))
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(table[0]), delimiter=delimiter)
    writer.writeheader()
    for row in table:
        rating, comment = answer(row["item"])
        writer.writerow(row | {"rater": rater, "rating": rating, "comment": comment})
    return file.getvalue()


def written(path: Path, content: str | bytes) -> Path:
    """A file of that content, to the byte."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def saved(sheet: RatingSheet, folder: Path, answers: dict[str, Callable[[str], str]]) -> Path:
    """The sheet, and a file of each rater, in a folder."""
    sheet.save(folder)
    for rater, answer in answers.items():
        content = as_the_form_writes(sheet, rater, lambda item, by=answer: (by(item), ""))
        written(folder / f"{rater}.csv", content)
    return folder


def rated(answers: Mapping[str, Sequence[float | None]], **columns: Sequence[object]) -> Ratings:
    """Ratings from a table: a rater's answers to the items in order; None or NaN for none.

    Args:
        answers: By rater.
        columns: ``condition``, ``prompt_index`` and ``sample`` of the items, where they matter;
            ``repeat``; and ``other``, for pairs.
    """
    n = len(next(iter(answers.values())))
    items = pd.DataFrame(
        {
            "item": [f"item {place}" for place in range(n)],
            "condition": "a",
            "prompt_index": range(n),
            "sample": 0,
            "repeat": False,
            "skipped": False,
            "missing": False,
            **columns,
        }
    )
    parts = [
        items.assign(rater=rater, rating=pd.Series(given, dtype=float))
        for rater, given in answers.items()
    ]
    question = Question("How?", "pair" if "other" in columns else "single", 1, 5)
    return Ratings(pd.concat(parts, ignore_index=True), question, "bcdfghjkmn")


def of_item(sheet: RatingSheet, column: str) -> dict[str, str]:
    """From the items to what the key says of them."""
    return dict(zip(sheet.key["item"], sheet.key[column], strict=True))
