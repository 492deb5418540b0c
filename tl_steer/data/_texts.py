"""What counts as a text, a pair and a label; everything else is refused in words."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tl_steer.arguments import came
from tl_steer.errors import DataError
from tl_steer.files.characters import HALF

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_LABELS = (str, int, float, np.generic)


def plain_texts(values: object, what: str) -> tuple[str, ...]:
    """The strings in `values`, in their order.

    Args:
        values: Any iterable with an order.
        what: What they are, for the error.

    Raises:
        DataError: A single string or something without an order came, or an item is no string,
            is empty or only white space.
    """
    if isinstance(values, str | bytes | Mapping | Set) or not isinstance(values, Iterable):
        raise DataError(
            f"{what} is {short(values)}, a {type(values).__name__}. A list of texts would fit: "
            '["A fine film.", "I loved it."].'
        )
    texts = list(values)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"{what}[{index}] is {short(text)}, a {type(text).__name__}. Expected a text."
            )
        if HALF.search(text):
            raise DataError(
                f"{what}[{index}] is {short(text)}, with half of a character (a lone surrogate), "
                "which no tokenizer takes. Was it cut in the middle, or read in the wrong "
                "encoding?"
            )
    empty = [index for index, text in enumerate(texts) if not text.strip()]
    if empty:
        first = ", ".join(str(index) for index in empty[:5]) + (", …" if len(empty) > 5 else "")
        raise DataError(
            f"{what}: {len(empty)} of {len(texts)} texts are empty or white space only (index "
            f"{first}). Leave them out."
        )
    return tuple(str(text) for text in texts)


def split_pairs(pairs: Iterable[object]) -> tuple[list[str], list[str]]:
    """The first items of all pairs, and the second.

    Raises:
        DataError: An item is not a pair.
    """
    firsts, seconds = [], []
    for index, item in enumerate(pairs):
        if isinstance(item, str) or not isinstance(item, Sequence) or len(item) != 2:
            raise DataError(
                f"pairs[{index}] is {short(item)}. Expected a pair of texts: (positive, negative)."
            )
        firsts.append(item[0])
        seconds.append(item[1])
    return firsts, seconds


def split_by_label(
    texts: Sequence[str], labels: Iterable[Any], positive: Any
) -> tuple[list[str], list[str]]:
    """The texts whose label equals `positive`, and the others.

    Args:
        texts: The texts.
        labels: One for each text, of exactly two values.
        positive: One of the two; or what reads the same, as "1" and 1 do, where neither equals it.

    Raises:
        DataError: The numbers differ, a label is missing, the labels are not of two values, or
            `positive` is neither.
    """
    if not isinstance(positive, _LABELS) and positive is not None:
        raise DataError(
            f"positive: expected one of the labels, a text or a number; got {came(positive)}."
        )
    listed = list(labels)
    if len(listed) != len(texts):
        raise DataError(
            f"Got {len(texts)} texts and {len(listed)} labels. Give one label for each text."
        )
    for index, label in enumerate(listed):
        if not isinstance(label, Hashable) or label is None or pd.isna(label):
            raise DataError(f"labels[{index}] is {short(label)}. Expected a number or a word.")
        if isinstance(label, str) and not label.strip():
            raise DataError(f"labels[{index}] is {short(label)}. Give a label for every text.")
    values = list(dict.fromkeys(listed))
    if positive not in values:
        alike = [value for value in values if _reading(value) == _reading(positive)]
        positive = alike[0] if len(alike) == 1 else positive
    if len(values) != 2 or positive not in values:
        there = ", ".join(short(value) for value in values[:6]) or "none"
        more = f" and {len(values) - 6} more" if len(values) > 6 else ""
        raise DataError(
            f"Got the labels {there}{more}, with positive={short(positive)}. Expected exactly two, "
            "one of them named by positive=. Leave out texts with other labels."
        )
    labelled = list(zip(texts, listed, strict=True))
    return (
        [text for text, label in labelled if label == positive],
        [text for text, label in labelled if label != positive],
    )


def _reading(value: object) -> object:
    """What a label says, whether it is a text or not: 1, "1", "1.0", True and "true" are alike."""
    if isinstance(value, int):
        return Decimal(value)
    text = str(value).strip()
    if text.casefold() in ("true", "false"):
        return Decimal(text.casefold() == "true")
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def short(value: object) -> str:
    """The beginning of the `repr` of `value`."""
    return cut(repr(value), 60)


def cut(text: str, length: int) -> str:
    """`text`, or its beginning and an ellipsis, in at most `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
