"""Sheets: balanced, reproducible, and blind."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from making_people import HOSTILE, texts

import tl_steer as ts
from tl_steer.errors import ArgumentError, DataError
from tl_steer.generation import Generations
from tl_steer.people._sheet import RatingSheet, rating_sheet

ASKED = "How positive is this text?"


def single(frame: pd.DataFrame | None = None, **changes: object) -> RatingSheet:
    return rating_sheet(texts() if frame is None else frame, **({"question": ASKED} | changes))


def pairs(frame: pd.DataFrame | None = None, **changes: object) -> RatingSheet:
    return single(frame, **({"kind": "pair", "between": ("none", "joy +4")} | changes))


def merged(sheet: RatingSheet) -> pd.DataFrame:
    return sheet.items.merge(sheet.key, on="item", validate="one_to_one")


def test_the_key_tells_which_text_every_item_is() -> None:
    frame = texts()
    both = merged(single(frame))
    told = both.merge(frame, on=["condition", "prompt_index", "sample"], suffixes=("", "_given"))
    assert len(told) == len(both) == len(frame) + 4
    assert (told["text"] == told["text_given"]).all()
    assert (told["prompt"] == told["prompt_given"]).all()


def test_both_texts_of_a_pair_are_where_the_key_says() -> None:
    frame = texts()
    text = frame.set_index(["condition", "prompt_index", "sample"])["text"]
    for row in merged(pairs(frame, repeats=0.5)).to_dict("records"):
        place = (row["prompt_index"], row["sample"])
        own, their = text["none", *place], text["joy +4", *place]
        assert (row["condition"], row["other"]) == ("none", "joy +4")
        shown = (own, their) if row["side"] == "first" else (their, own)
        assert (row["first"], row["second"]) == shown


@given(st.integers(3, 36), st.integers(0, 5), st.sampled_from([0.0, 0.1, 0.5]))
@settings(deadline=None, max_examples=25)
def test_singles_are_balanced(n: int, seed: int, repeats: float) -> None:
    key = single(n=n, seed=seed, repeats=repeats).key
    once = key[key["repeat_of"] == ""]
    assert len(once) == n
    per_condition = once["condition"].value_counts().reindex(["none", "joy +4", "random_00"])
    assert per_condition.max() - per_condition.min() <= 1
    units = once.groupby("prompt_index")["sample"].nunique().reindex(range(6), fill_value=0)
    assert units.max() - units.min() <= 1
    assert not once.duplicated(["condition", "prompt_index", "sample"]).any()
    assert len(key) - n == min(int(np.ceil(repeats * n)), n // 2)


@given(st.integers(1, 12), st.integers(0, 20))
@settings(deadline=None, max_examples=25)
def test_pairs_are_balanced(n: int, seed: int) -> None:
    key = pairs(n=n, seed=seed).key
    once = key[key["repeat_of"] == ""]
    assert abs((once["side"] == "first").sum() - (once["side"] == "second").sum()) <= 1
    counts = once["prompt_index"].value_counts().reindex(range(6), fill_value=0)
    assert counts.max() - counts.min() <= 1


def test_repeats_are_half_a_sheet_apart_and_pairs_are_turned() -> None:
    for sheet in (single(repeats=0.5), pairs(repeats=0.5)):
        key = sheet.key.reset_index(drop=True)
        n = int((key["repeat_of"] == "").sum())
        place = {item: row for row, item in enumerate(key["item"])}
        for row in key[key["repeat_of"] != ""].to_dict("records"):
            first = key.iloc[place[row["repeat_of"]]]
            same = ["condition", "prompt_index", "sample"]
            assert [row[name] for name in same] == [first[name] for name in same]
            between = key.iloc[place[row["repeat_of"]] + 1 : place[row["item"]]]
            assert (between["repeat_of"] == "").sum() >= n // 2 - 1
            if sheet.question.kind == "pair":
                assert {row["side"], first["side"]} == {"first", "second"}


def test_the_same_is_drawn_for_the_same_and_another_for_another_seed() -> None:
    one, again, other = single(), single(), single(seed=1)
    pd.testing.assert_frame_equal(one.items, again.items)
    pd.testing.assert_frame_equal(one.key, again.key)
    assert one.sheet == again.sheet != other.sheet
    assert not set(one.items["item"]) & set(other.items["item"])
    assert not set(one.items["item"]) & set(pairs().items["item"])


def test_raters_see_no_condition() -> None:
    frame = texts(("SECRET_one", "SECRET_two"))
    for sheet in (single(frame), pairs(frame, between=None)):
        seen = [sheet.html(), sheet.csv(), repr(sheet), sheet._repr_html_()]
        assert not any("SECRET" in page for page in seen)
        assert "prompt_index" not in "".join(seen)
        assert set(sheet.items) <= {"item", "prompt", "text", "first", "second"}


def test_whoever_has_the_sheet_and_the_seed_cannot_tell_which_condition_is_which() -> None:
    """The same texts, written by the conditions the other way round: another lot altogether."""
    one = texts(("a", "b"), 20, 1)
    turned = one.assign(condition=one["condition"].map({"a": "b", "b": "a"}))
    orders = [list(single(frame, repeats=0.0).items["text"]) for frame in (one, turned)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_names_and_order_tell_nothing_of_the_condition() -> None:
    """Over many sheets, the first half in order and by name holds each condition as often."""
    frame = texts(("a", "b"), 25, 1)
    by_place, by_name = [], []
    for seed in range(60):
        key = single(frame, repeats=0.0, seed=seed).key
        by_place.append((key["condition"] == "a").head(25).sum())
        by_name.append((key.sort_values("item")["condition"] == "a").head(25).sum())
        runs = sum(1 for _ in itertools.groupby(key["condition"]))
        assert 12 < runs < 40
    # Hypergeometric, 25 of 50 with 25 marked: a standard deviation of 1.79, of the mean 0.23.
    for counts in (by_place, by_name):
        assert abs(np.mean(counts) - 12.5) < 1
        assert 1 < np.std(counts) < 2.6


def test_names_are_no_numbers_dates_or_words() -> None:
    sheet = single()
    for name in [sheet.sheet, *sheet.items["item"]]:
        assert set(name) <= set("bcdfghjkmnpqrstvwxz")
    assert sheet.items["item"].str.len().eq(6).all()


def test_generations_are_taken_as_they_are() -> None:
    made = Generations(texts(), ts.Sampling())
    pd.testing.assert_frame_equal(single(made).items, single().items)


def test_only_what_all_conditions_have_is_compared() -> None:
    frame = texts().drop(index=[0, 20])
    key = single(frame).key
    rated = set(zip(key["prompt_index"], key["sample"], strict=True))
    lost = {tuple(texts().loc[row, ["prompt_index", "sample"]]) for row in (0, 20)}
    assert len(rated) == 12 - len(lost)
    assert not rated & lost


def test_hostile_texts_are_on_the_sheet_to_the_letter_where_they_can_be_shown() -> None:
    frame = texts(prompts=3, samples=3, text=lambda c, p, s: HOSTILE[3 * p + s])
    shown = set(single(frame).items["text"])
    wanted = {text.replace("\ud800", "�").replace("\x00\x1b", "��") for text in HOSTILE}
    assert shown == wanted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"question": " "}, "ask something"),
        ({"n": 0}, "n=0"),
        ({"n": 2}, "every condition"),
        ({"n": 37}, "36 can be compared"),
        ({"repeats": 0.6}, "share of the items from 0 to 0.5"),
        ({"scale": (5, 1)}, "lower first"),
        ({"scale": (0, 100)}, "0 to 10"),
        ({"scale": (-2, 2)}, "0 to 10"),
        ({"between": ("none", "joy +4")}, 'kind="pair"'),
        ({"kind": "pair"}, "between two conditions"),
        ({"kind": "pair", "between": ("none", "none")}, "between two conditions"),
        ({"kind": "pair", "between": ("none", "love")}, "'love'"),
        ({"frame": texts().iloc[:0]}, "nothing to rate"),
        ({"frame": texts().drop(columns="text")}, "lacks 'text'"),
        ({"frame": texts().assign(text=1)}, "row 0: expected .*, got 1"),
        ({"frame": texts().assign(condition=None)}, "column 'condition', row 0"),
        ({"frame": texts().assign(sample=0.5)}, "whole number"),
        ({"frame": texts().assign(sample=0)}, "occurs more than once"),
        ({"frame": texts().assign(text="x" * 40000)}, "no longer than 32000"),
        ({"frame": texts().assign(prompt=texts()["condition"])}, "reveal the conditions"),
        ({"frame": texts().iloc[[0, 13, 26]]}, "No prompt and sample"),
    ],
)
def test_what_cannot_be_rated_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises((DataError, ArgumentError), match=words):
        single(**changes)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Exception, match="triple"):
        single(kind="triple")
