"""Contrast sets written for tl_steer, in the package: nothing is fetched.

The first word of a set's name is its positive side. `docs/contrast_sets.md` has the cards.
"""

from functools import cache
from importlib.resources import as_file, files
from typing import Literal

from tl_steer.arguments import checked
from tl_steer.data._contrast import ContrastSet
from tl_steer.data._data_cards import (
    ENGLISH_FRENCH,
    FORMAL_INFORMAL,
    MEDICAL_EVERYDAY,
    NEUTRAL_BACKGROUND,
    OPTIMISM_PESSIMISM,
    PAST_PRESENT,
    POLITE_RUDE,
    REFUSAL_COMPLIANCE,
    DataCard,
)
from tl_steer.data._readers import jsonl_columns
from tl_steer.errors import DataError

Split = Literal["train", "held_out", "all"]
"""Which pairs: those to find a direction on, those to test it on, or both."""


@checked
def formal_informal(split: Split = "train") -> ContrastSet:
    """Formal and informal English: 48 pairs to train on, 16 held out.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(FORMAL_INFORMAL, split)


@checked
def polite_rude(split: Split = "train") -> ContrastSet:
    """The same point made politely and rudely: 48 pairs to train on, 16 held out.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(POLITE_RUDE, split)


@checked
def optimism_pessimism(split: Split = "train") -> ContrastSet:
    """Hopeful and gloomy speakers in the first person: 48 pairs to train on, 16 held out.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(OPTIMISM_PESSIMISM, split)


@checked
def medical_everyday(split: Split = "train") -> ContrastSet:
    """Medical and everyday register, for the same facts: 48 pairs to train on, 16 held out.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(MEDICAL_EVERYDAY, split)


@checked
def past_present(split: Split = "train") -> ContrastSet:
    """Past and present tense, a control of syntax: 48 pairs to train on, 16 held out.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(PAST_PRESENT, split)


@checked
def english_french(split: Split = "train") -> ContrastSet:
    """English texts (positive) and their French versions: 48 pairs to train on, 16 held out.

    Negate a direction from it, `-direction`, to steer towards French.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(ENGLISH_FRENCH, split)


@checked
def refusal_compliance(split: Split = "train") -> ContrastSet:
    r"""Harmless requests, refused (positive) and fulfilled: 48 pairs to train on, 16 held out.

    A text is `User: {request}\nAssistant: {answer}`.

    Args:
        split: "train", "held_out" or "all". Held-out pairs are of other subjects.

    Raises:
        DataError: `split` is none of these.
    """
    return _contrast(REFUSAL_COMPLIANCE, split)


def neutral_background() -> tuple[str, ...]:
    """136 neutral texts of one or two sentences, on 34 subjects."""
    (texts,) = _columns(NEUTRAL_BACKGROUND.name, ("text",))
    return texts


def _contrast(card: DataCard, split: str) -> ContrastSet:
    # Any text may come here: a type is no check at run time, and this is the check.
    if split not in ("train", "held_out", "all"):
        raise DataError(f"split={split!r}: expected 'train', 'held_out' or 'all' for {card.name}.")
    rows = zip(*_columns(card.name, ("positive", "negative", "split")), strict=True)
    return ContrastSet.pairs(
        [(positive, negative) for positive, negative, part in rows if split in (part, "all")],
        name=f"{card.name}/{split}",
        source=f"written for tl_steer; licence: {card.licence}",
    )


@cache
def _columns(name: str, fields: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The fields of the packaged file of a set, which are read once."""
    with as_file(files("tl_steer.data") / "sets" / f"{name}.jsonl") as path:
        return tuple(map(tuple, jsonl_columns(path, fields)))
