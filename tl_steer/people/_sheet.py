"""Blind rating sheets: texts for people to judge, and the key that is kept from them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tl_steer.arguments import Count, Seed, checked
from tl_steer.data import frame_columns
from tl_steer.errors import DataError
from tl_steer.files.characters import printable
from tl_steer.files.csv_cells import csv_text
from tl_steer.generation import Generations
from tl_steer.page.html import table_html
from tl_steer.people._drawing import draw_pairs, draw_singles, lot, name_of
from tl_steer.people._form import form_html
from tl_steer.people._question import Kind, Question
from tl_steer.people._saving import SavedSheet, save_sheet

# What a cell of a spreadsheet holds, and more than anybody reads.
_LONGEST = 32_000
_TEXT_COLUMNS = ("condition", "prompt_index", "sample", "prompt", "text")
_KEY = ["item", "repeat_of", "condition", "other", "side", "prompt_index", "sample"]


@checked
@dataclass(frozen=True, eq=False)
class RatingSheet:
    """Texts for people to judge, without a word on where they come from; see ``rating_sheet``."""

    question: Question
    """What is asked, and what may be answered."""

    items: pd.DataFrame
    """What raters see, in their order: ``item`` (six letters drawn by lot), ``prompt``, and
    ``text``, or of pairs ``first`` and ``second``."""

    key: pd.DataFrame = field(repr=False)
    """What they must not see: ``item``, ``repeat_of`` (the item of which this is the second
    showing, or nothing), ``condition``, ``prompt_index`` and ``sample``; of pairs also ``other``,
    the second condition, and ``side``, where ``condition`` stands, ``first`` or ``second``."""

    sheet: str
    """Ten letters that stand for what raters see; on every row that they send back."""

    def html(self) -> str:
        """The sheet as one HTML page that works without a network, to be opened in a browser."""
        return form_html(self.question, self.items, self.sheet)

    def csv(self) -> str:
        """The sheet as the text of a CSV file, for those who would rather use a spreadsheet.

        Columns ``sheet``, ``rater``, ``item``, ``question``, ``prompt``, the texts, ``rating`` and
        ``comment``. Cells that a spreadsheet would run as a formula begin with an apostrophe.
        """
        texts = [name for name in self.items if name != "item"]
        heads = ["sheet", "rater", "item", "question", *texts, "rating", "comment"]
        asked = f"{self.question.text} ({self.question.how})"
        rows = [
            [self.sheet, "", item, asked, *shown, "", ""]
            for item, *shown in self.items[["item", *texts]].itertuples(index=False)
        ]
        return csv_text(heads, rows)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> SavedSheet:
        """Write ``form.html`` and ``sheet.csv`` for the raters, and ``key.csv``, not for them.

        Args:
            folder: Made where it is not there.
            overwrite: Whether the key of another sheet there may be replaced.

        Returns:
            The three paths, with a word on who may see which.

        Raises:
            StorageError: For another sheet's key in the folder, or a folder that cannot be written.
        """
        return save_sheet(
            Path(folder),
            {"form.html": self.html(), "sheet.csv": self.csv()},
            self.question,
            self.key,
            self.sheet,
            overwrite=overwrite,
        )

    def __len__(self) -> int:
        """How many items, repeats included."""
        return len(self.items)

    def __repr__(self) -> str:
        """How much there is to rate; nothing of the key."""
        things = "pairs" if self.question.kind == "pair" else "texts"
        again = int((self.key["repeat_of"] != "").sum())
        return (
            f"RatingSheet({self.question.text!r}, {len(self) - again} {things}, "
            f"{again} of them twice, {self.question.how}; sheet {self.sheet})"
        )

    def _repr_html_(self) -> str:
        few = self.items.head(5)
        columns = {str(name): few[name].tolist() for name in few}
        return table_html(columns, caption=f"{self!r}. As raters see it, the first {len(few)}:")


@checked
def rating_sheet(
    texts: Generations | pd.DataFrame,
    *,
    question: str,
    kind: Kind = "single",
    between: tuple[str, str] | None = None,
    n: Count | None = None,
    scale: tuple[int, int] = (1, 5),
    labels: tuple[str, str] = ("not at all", "very much"),
    repeats: float = 0.1,
    seed: Seed = 0,
) -> RatingSheet:
    """Make a sheet on which people judge texts without knowing where they come from.

    Texts are drawn by lot: as many of each condition, of the same prompts and samples, as many of
    each prompt as can be; only prompts and samples that all conditions have are taken. They are
    shuffled, and named by letters drawn by lot. Which text of a pair comes first is drawn too, each
    condition in half of the pairs. The lot hangs on ``seed`` and on all texts with their
    conditions, so that nobody who lacks these can undo it.

    Args:
        texts: Generations, or a frame with the columns ``condition``, ``prompt_index``, ``sample``,
            ``prompt`` and ``text``.
        question: What raters are asked; one thing, in their words.
        kind: ``"single"``, a text at a time, answered by a number; or ``"pair"``, two texts of the
            same prompt and sample, answered by ``first``, ``second`` or ``same``.
        between: Of pairs, the two conditions. Not needed where there are just two.
        n: How many texts, or pairs, without the repeats; all without it.
        scale: Of single texts, least and greatest answer, from 0 to 10.
        labels: Of single texts, what the ends of the scale mean.
        repeats: Share of the items that is shown twice, half a sheet apart, to see whether raters
            agree with themselves; 0 to ½. Pairs are shown the other way round.
        seed: Of the lot.

    Returns:
        The sheet, with its key.

    Raises:
        DataError: For texts that lack a column, are no texts, come twice, or are longer than a
            cell holds; prompts that differ between conditions, which would tell these apart;
            conditions that are not there; or numbers that cannot be.
    """
    frame = _checked(texts.frame if isinstance(texts, Generations) else texts)
    asked = Question(printable(question), kind, *scale, *map(printable, labels))
    pair = _pair(frame, kind, between)
    if not 0 <= repeats <= 0.5:
        raise DataError(f"repeats={repeats}: expected a share of the items from 0 to 0.5.")
    rng = lot(repr((seed, asked, pair, n, repeats)), frame)
    if pair is None:
        drawn, shown = draw_singles(frame, n, repeats, rng), ["text"]
    else:
        drawn, shown = draw_pairs(frame, pair, n, repeats, rng), ["first", "second"]
    items = drawn[["item", "prompt", *shown]]
    content = json.dumps([repr(asked), *items.to_numpy(object).tolist()])
    return RatingSheet(asked, items, drawn[_KEY], name_of(content))


def _checked(given: pd.DataFrame) -> pd.DataFrame:
    """The five columns, of texts that can be shown and told apart."""
    columns = frame_columns(given, _TEXT_COLUMNS)
    frame = pd.DataFrame(
        {
            name: pd.Series(values, dtype=object)
            for name, values in zip(_TEXT_COLUMNS, columns, strict=True)
        }
    )
    if frame.empty:
        raise DataError("The frame has no rows, so there is nothing to rate.")
    for name in ("condition", "prompt", "text"):
        _every(frame[name], name, lambda cell: isinstance(cell, str), "a text")
        _every(frame[name], name, _short_enough, f"no longer than {_LONGEST} characters")
        frame[name] = frame[name].map(printable)
    for name in ("prompt_index", "sample"):
        _every(frame[name], name, lambda cell: type(cell) is int, "a whole number")
    twice = frame.duplicated(["condition", "prompt_index", "sample"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise DataError(
            f"condition {row['condition']!r}, prompt {row['prompt_index']}, sample {row['sample']} "
            "occurs more than once. Give each setting its own condition, or each text its own "
            "sample."
        )
    prompts = frame.groupby(["prompt_index"])["prompt"].nunique()
    if (prompts > 1).any():
        raise DataError(
            f"prompt {prompts.idxmax()} is written in {prompts.max()} ways, which would reveal the "
            "conditions. Show the same prompt for all of them."
        )
    return frame


def _every(cells: pd.Series, name: str, fits: Callable[[object], bool], what: str) -> None:
    for row, cell in enumerate(cells):
        if not fits(cell):
            shown = repr(cell)
            shown = shown if len(shown) < 60 else f"{shown[:60]}…"
            raise DataError(f"column {name!r}, row {row}: expected {what}, got {shown}.")


def _short_enough(cell: object) -> bool:
    return len(str(cell)) <= _LONGEST


def _pair(
    frame: pd.DataFrame, kind: str, between: tuple[str, str] | None
) -> tuple[str, str] | None:
    conditions = list(dict.fromkeys(frame["condition"]))
    if kind != "pair":
        if between is not None:
            raise DataError(
                f'between={between} is for kind="pair"; single texts are of all conditions.'
            )
        return None
    pair = tuple(conditions) if between is None else between
    if len(pair) != 2 or len(set(pair)) < 2 or not set(pair) <= set(conditions):
        raise DataError(
            f"Pairs are between two conditions, got {', '.join(map(repr, pair))}; there are "
            f"{', '.join(map(repr, conditions))}. Write between=(one, other)."
        )
    return pair[0], pair[1]
