"""ContrastSet: texts that have a property, and texts that lack it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tl_steer.arguments import Seed, checked
from tl_steer.data._readers import csv_columns, frame_columns, jsonl_columns
from tl_steer.data._splits import Sides, permuted_labels, random_orders, stratified
from tl_steer.data._texts import cut, plain_texts, short, split_by_label, split_pairs
from tl_steer.errors import DataError
from tl_steer.files.opening import AnyPath, naming
from tl_steer.page.html import table_html


@checked
@dataclass(frozen=True, init=False)
class ContrastSet:
    """Texts that have a property and texts that lack it: all the data a direction needs.

    Two sets are equal if they hold the same texts in the same order, with the same name and source.

    Args:
        positive: The texts that have the property.
        negative: The texts that lack it.
        paired: Whether `positive[i]` and `negative[i]` belong together, as two versions of one
            text. Pairs stay together in splits and samples.
        name: Its name in reports, e.g. "rotten_tomatoes".
        source: Where the texts come from, in words.

    Raises:
        DataError: If a side is empty or holds anything but non-empty texts, or the sides are paired
            and not equally long.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    paired: bool
    name: str
    source: str

    def __init__(
        self,
        positive: Iterable[str],
        negative: Iterable[str],
        *,
        paired: bool = False,
        name: str = "",
        source: str = "",
    ) -> None:
        sides = {
            "positive": plain_texts(positive, "positive"),
            "negative": plain_texts(negative, "negative"),
        }
        for side, texts in sides.items():
            if not texts:
                raise DataError(f"{side}: expected at least one text, got none.")
        if paired and len(sides["positive"]) != len(sides["negative"]):
            raise DataError(
                f"Got {len(sides['positive'])} positive and {len(sides['negative'])} negative "
                "texts as pairs. Give as many of each, or leave paired=True out."
            )
        fields = {**sides, "paired": paired, "name": name, "source": source}
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # frozen, and this is its constructor

    @classmethod
    def pairs(
        cls, pairs: Iterable[tuple[str, str]], *, name: str = "", source: str = ""
    ) -> "ContrastSet":
        """Make a paired set from (positive, negative) pairs.

        Raises:
            DataError: An item is not a pair, or the texts do not fit a `ContrastSet`.
        """
        positive, negative = split_pairs(pairs)
        return cls(positive, negative, paired=True, name=name, source=source)

    @classmethod
    def labelled(
        cls,
        texts: Iterable[str],
        labels: Iterable[Any],
        *,
        positive: Any = 1,
        name: str = "",
        source: str = "",
    ) -> "ContrastSet":
        """Make a set from texts, each with a label.

        Args:
            texts: The texts, in any order.
            labels: As many labels, with exactly two values of any type.
            positive: The label of the texts that have the property, as a number or as text.
            name: What the set is called in reports.
            source: Where the texts come from, in words.

        Raises:
            DataError: The numbers differ, the labels are not of two values, `positive` is
                neither of them, or the texts do not fit a `ContrastSet`.
        """
        checked = plain_texts(texts, "texts")
        return cls(*split_by_label(checked, labels, positive), name=name, source=source)

    @classmethod
    def from_jsonl(
        cls,
        path: AnyPath,
        *,
        text: str = "text",
        label: str = "label",
        positive: Any = 1,
        pair: tuple[str, str] | None = None,
        name: str | None = None,
    ) -> "ContrastSet":
        """Read a file with one JSON object a line: labelled texts, or pairs.

        Args:
            path: The file, in UTF-8.
            text: The field that holds the text.
            label: The field that holds its label.
            positive: The label of the texts that have the property, as a number or as text.
            pair: The fields of the positive and the negative text, for a file of pairs, e.g.
                `("chosen", "rejected")`. `text`, `label` and `positive` are then not used.
            name: What the set is called in reports; the file's name unless given.

        Raises:
            DataError: The file cannot be read, a line is broken (named) or lacks a field, or
                the texts or labels do not fit.
        """
        columns = jsonl_columns(path, pair or (text, label))
        return cls._read(columns, positive, pair, name or Path(path).stem, str(path))

    @classmethod
    def from_csv(
        cls,
        path: AnyPath,
        *,
        text: str = "text",
        label: str = "label",
        positive: Any = 1,
        pair: tuple[str, str] | None = None,
        name: str | None = None,
    ) -> "ContrastSet":
        """Read a CSV file with a header: labelled texts, or pairs. See `from_jsonl`.

        Cells are read literally: `positive="5"` and `positive=5` both find a 5.

        Raises:
            DataError: As `from_jsonl`, and for a row (named) not as wide as the header.
        """
        columns = csv_columns(path, pair or (text, label))
        return cls._read(columns, positive, pair, name or Path(path).stem, str(path))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        text: str = "text",
        label: str = "label",
        positive: Any = 1,
        pair: tuple[str, str] | None = None,
        name: str = "",
        source: str = "",
    ) -> "ContrastSet":
        """Take labelled texts, or pairs, from a data frame. See `from_jsonl`.

        Raises:
            DataError: A column is missing, or the texts or labels do not fit.
        """
        columns = frame_columns(frame, pair or (text, label))
        return cls._read(columns, positive, pair, name, source)

    @classmethod
    def _read(
        cls,
        columns: list[list[Any]],
        positive: Any,
        pair: tuple[str, str] | None,
        name: str,
        source: str,
    ) -> "ContrastSet":
        with naming(source):
            if pair is not None:
                sides = map(plain_texts, columns, pair)
                return cls(*sides, paired=True, name=name, source=source)
            texts, labels = plain_texts(columns[0], "texts"), columns[1]
            return cls.labelled(texts, labels, positive=positive, name=name, source=source)

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts, the positive before the negative."""
        return self.positive + self.negative

    @property
    def labels(self) -> tuple[bool, ...]:
        """For each of `texts`, whether it is positive."""
        return (True,) * len(self.positive) + (False,) * len(self.negative)

    def __len__(self) -> int:
        """The number of texts, on both sides together."""
        return len(self.positive) + len(self.negative)

    def split(self, fractions: Mapping[str, float], *, seed: Seed = 0) -> dict[str, "ContrastSet"]:
        """Divide the set at random, each side (or the pairs) in the same proportions.

        Every text lands in exactly one part, and sizes are within one of the exact proportion.
        Equal texts may land in different parts; `check(part, against=...)` finds them.

        Args:
            fractions: What share each part gets, e.g. `{"train": 0.5, "test": 0.5}`; they add up
                to 1.
            seed: The same seed gives the same parts.

        Returns:
            The parts under their names, each named "<name of the set>/<name of the part>".

        Raises:
            DataError: The fractions are not positive or do not add up to 1, or a part would
                have no text on one side.
        """
        parts = stratified(self._orders(seed), fractions)
        return {
            part: self._dealt(self.positive, self.negative, sides, part)
            for part, sides in parts.items()
        }

    def sample(self, n_per_class: int, *, seed: Seed = 0) -> "ContrastSet":
        """Draw a balanced sample without replacement; of a paired set, whole pairs.

        Args:
            n_per_class: How many texts of each side.
            seed: The same seed gives the same sample.

        Raises:
            DataError: `n_per_class` is not between 1 and the size of the smaller side.
        """
        fits = min(len(self.positive), len(self.negative))
        if n_per_class not in range(1, fits + 1):
            raise DataError(
                f"n_per_class={n_per_class}: expected 1 to {fits}; there are {len(self.positive)} "
                f"positive and {len(self.negative)} negative texts."
            )
        positive, negative = self._orders(seed)
        drawn = positive[:n_per_class], negative[:n_per_class]
        part = f"sample of {n_per_class} a side"
        return self._dealt(self.positive, self.negative, drawn, part)

    def shuffled_labels(self, *, seed: Seed = 0) -> "ContrastSet":
        """The same texts with random labels: a control for what an estimator finds.

        The sides keep their sizes. In a paired set, each pair is swapped with probability one half,
        so pairs stay pairs.

        Args:
            seed: The same seed gives the same labels.
        """
        sides = permuted_labels(
            len(self.positive), len(self.negative), paired=self.paired, seed=seed
        )
        return self._dealt(self.texts, self.texts, sides, "labels shuffled")

    def _orders(self, seed: Seed) -> Sides:
        return random_orders(len(self.positive), len(self.negative), paired=self.paired, seed=seed)

    def _dealt(
        self, first: tuple[str, ...], second: tuple[str, ...], sides: Sides, part: str
    ) -> "ContrastSet":
        return ContrastSet(
            [first[index] for index in sides[0]],
            [second[index] for index in sides[1]],
            paired=self.paired,
            name=f"{self.name}/{part}" if self.name else part,
            source=self.source,
        )

    def __repr__(self) -> str:
        """Counts, and the first characters of the first text of either side."""
        name = f"{self.name!r}, " if self.name else ""
        pairs = f"{len(self.positive):,} pairs"
        sides = f"{len(self.positive):,} positive, {len(self.negative):,} negative"
        texts = f"{short(self.positive[0])} … {short(self.negative[0])} …"
        return f"ContrastSet({name}{pairs if self.paired else sides}: {texts})"

    def _repr_html_(self) -> str:
        title = f"{self.name} {'(pairs)' if self.paired else ''} {self.source}"
        sides = {"positive": self.positive, "negative": self.negative}
        shown = min(3, len(self.positive), len(self.negative))
        columns = {
            f"{len(texts):,} {name}": [cut(text, 200) for text in texts[:shown]]
            for name, texts in sides.items()
        }
        return table_html(columns, caption=title.strip())
