import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from tl_steer.data import _data_cards as data_cards, _own_sets as own_sets
from tl_steer.data._checks import check
from tl_steer.data._contrast import ContrastSet
from tl_steer.data._data_cards import DataCard
from tl_steer.errors import ArgumentError

SETS: dict[str, Callable[..., ContrastSet]] = {
    name: getattr(own_sets, name)
    for name in (
        "english_french",
        "formal_informal",
        "medical_everyday",
        "optimism_pessimism",
        "past_present",
        "polite_rude",
        "refusal_compliance",
    )
}
CARDS = [value for value in vars(data_cards).values() if isinstance(value, DataCard)]
DOCS = Path(__file__).parents[2] / "docs" / "contrast_sets.md"

each_set = pytest.mark.parametrize("name", SETS)


def rows(name: str) -> list[dict[str, str]]:
    """The lines of a packaged file, read without the code that is tested."""
    text = (files("tl_steer.data") / "sets" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"[\w-]+", text.casefold())


def normalised(text: str) -> str:
    """Without regard to case, punctuation and white space."""
    return " ".join(words(text))


@each_set
def test_the_splits_are_those_of_the_file(name: str) -> None:
    expected: dict[str, list[tuple[str, str]]] = {"train": [], "held_out": []}
    for row in rows(name):
        expected[row["split"]].append((row["positive"], row["negative"]))
    expected["all"] = [(row["positive"], row["negative"]) for row in rows(name)]
    for split, pairs in expected.items():
        found = SETS[name](split)
        assert found.paired
        assert list(zip(found.positive, found.negative, strict=True)) == pairs
        assert found.name == f"{name}/{split}"
    assert (len(expected["train"]), len(expected["held_out"])) == (48, 16)
    assert SETS[name]() == SETS[name]("train")


@each_set
def test_another_split_is_refused(name: str) -> None:
    says = rf"{name}\(split='test'\): expected 'train', 'held_out' or 'all', got 'test'"
    with pytest.raises(ArgumentError, match=says):
        SETS[name]("test")  # type: ignore[arg-type]


@each_set
def test_no_text_comes_twice(name: str) -> None:
    counts = Counter(map(normalised, SETS[name]("all").texts))
    assert [text for text, times in counts.items() if times > 1] == []


def test_no_text_is_in_two_sets() -> None:
    texts = [*own_sets.neutral_background()]
    for contrast in SETS.values():
        texts += contrast("all").texts
    counts = Counter(map(normalised, texts))
    assert [text for text, times in counts.items() if times > 1] == []


@each_set
def test_texts_are_clean_and_neither_short_nor_long(name: str) -> None:
    for text in SETS[name]("all").texts:
        assert 3 <= len(text.split()) <= 60, text
        assert text == text.strip()
        assert "  " not in text


@each_set
def test_the_checks_find_nothing(name: str) -> None:
    held_out = SETS[name]("held_out")
    assert str(check(SETS[name]("train"), against={"held out": held_out})).endswith("nothing found")
    assert check(held_out).ok
    assert check(SETS[name]("all")).ok


@each_set
def test_held_out_subjects_are_not_trained_on(name: str) -> None:
    topics = {
        split: {row["topic"] for row in rows(name) if row["split"] == split}
        for split in ("train", "held_out")
    }
    assert topics["train"] & topics["held_out"] == set()
    assert (len(topics["train"]), len(topics["held_out"])) == (16, 5)


def long_words(text: str) -> set[str]:
    return {word for word in words(text) if len(word) > 4}


@each_set
def test_no_held_out_text_resembles_a_training_text(name: str) -> None:
    for text in SETS[name]("held_out").texts:
        for other in SETS[name]("train").texts:
            # "Assistant" is in every text of refusals.
            shared = (long_words(text) & long_words(other)) - {"assistant"}
            either = long_words(text) | long_words(other)
            assert len(shared) <= max(2, 0.34 * len(either)), (text, other)


def function_words(language: str) -> set[str]:
    listed = {
        "English": "the of and to in is was are has have had he she his her it my our their that "
        "who with but from for on at you i we they every by this",
        "French": "le la les l un une des du de d et à il elle je j nous vous tu on est sont a ai "
        "ont son sa ses ma mon leur leurs notre que qu qui ne n pas se s sur dans pour au aux en "
        "ce cette",
    }
    return set(listed[language].split())


def share(text: str, language: str) -> float:
    tokens = re.findall(r"\w+", text.casefold())
    return sum(token in function_words(language) for token in tokens) / len(tokens)


def test_one_side_is_english_and_the_other_french() -> None:
    contrast = own_sets.english_french("all")
    for english, french in zip(contrast.positive, contrast.negative, strict=True):
        assert share(english, "English") > share(english, "French"), english
        assert share(french, "French") > share(french, "English"), french
        assert english.isascii()


def test_french_sets_a_no_break_space_before_double_punctuation() -> None:
    for french in own_sets.english_french("all").negative:
        assert re.search("[^\u00a0][?!;:]", french) is None, french


IRREGULAR = """
ate eat, began begin, bent bend, bit bite, bred breed, broke break, came come, caught catch,
chose choose, could can, did do, drank drink, drew draw, fed feed, fell fall, felt feel, flew fly,
forgot forget, froze freeze, gave give, grew grow, had have, had has, held hold, hung hang,
kept keep, knew know, left leave, lit light, lost lose, met meet, mislaid mislay, paid pay, ran run,
rang ring, rose rise, said say, sang sing, sank sink, sat sit, sent send, shook shake, slept sleep,
smelt smell, spent spend, spoke speak, stood stand, struck strike, swept sweep, swore swear,
taught teach, threw throw, told tell, took take, understood understand, was is, went go, wept weep,
were are, won win, wore wear, wound wind, wrote write
"""
PAST_OF = {tuple(entry.split()) for entry in IRREGULAR.strip().split(",")}


def is_past_of(past: str, present: str) -> bool:
    bases = {present, present.removesuffix("s"), present.removesuffix("es")}
    bases |= {present[:-3] + "y"} if present.endswith("ies") else set()
    regular = {form for base in bases for form in (base + "ed", base + "d", base + base[-1] + "ed")}
    regular |= {base[:-1] + "ied" for base in bases if base.endswith("y")}
    return past in regular or any((past, base) in PAST_OF for base in bases)


def test_a_regular_past_is_told_from_other_words() -> None:
    assert is_past_of("carried", "carries")
    assert is_past_of("stopped", "stops")
    assert not is_past_of("stops", "stopped")
    assert not is_past_of("carries", "carried")
    assert not is_past_of("walked", "talks")


def test_pairs_differ_in_the_tense_of_their_verbs_alone() -> None:
    contrast = own_sets.past_present("all")
    for past, present in zip(contrast.positive, contrast.negative, strict=True):
        changed = [
            pair for pair in zip(words(past), words(present), strict=True) if pair[0] != pair[1]
        ]
        assert changed
        assert [pair for pair in changed if not is_past_of(*pair)] == []


def test_every_outlook_is_in_the_first_person() -> None:
    for text in own_sets.optimism_pessimism("all").texts:
        assert re.search(r"\b(I|my|me|we|our|us)\b", text, re.IGNORECASE), text


def test_refusals_and_answers_follow_the_same_request() -> None:
    contrast = own_sets.refusal_compliance("all")
    requests = []
    for refused, answered in zip(contrast.positive, contrast.negative, strict=True):
        (first, refusal), (second, answer) = (
            re.fullmatch(r"User: (.+)\nAssistant: (.+)", text).groups()  # type: ignore[union-attr]
            for text in (refused, answered)
        )
        assert first == second
        assert refusal != answer
        requests.append(first)
    assert len(set(requests)) == len(requests)


def test_the_background_is_of_short_distinct_texts() -> None:
    texts = own_sets.neutral_background()
    assert texts == tuple(row["text"] for row in rows("neutral_background"))
    assert len(texts) == 136
    assert len(set(map(normalised, texts))) == 136
    for text in texts:
        assert 3 <= len(text.split()) <= 60, text
        assert text == text.strip()
        assert len(re.findall(r"[.!?](?:\s|$)", text)) <= 2, text


def test_every_file_has_a_function_and_a_complete_card() -> None:
    stored = {path.name for path in (files("tl_steer.data") / "sets").iterdir()}
    names = [*SETS, "neutral_background"]
    assert stored == {f"{name}.jsonl" for name in names}
    assert sorted(card.name for card in CARDS) == sorted(names)
    for card in CARDS:
        for field in dataclasses.fields(card):
            assert getattr(card, field.name).strip(), (card.name, field.name)
        assert "MIT" in card.licence


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_page_says_what_the_card_says(card: DataCard) -> None:
    _, section = DOCS.read_text(encoding="utf-8").split(f"\n## {card.name}\n")
    said = " ".join(section.partition("\n## ")[0].split())
    for field in dataclasses.fields(card)[1:]:
        assert getattr(card, field.name) in said
    if card.name in SETS:
        assert " ".join(str(check(SETS[card.name]("all"))).split()) in said
