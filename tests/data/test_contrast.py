import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st

from tl_steer.data._contrast import ContrastSet
from tl_steer.errors import DataError, NonFiniteError

texts = st.text(min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
sides = st.lists(texts, min_size=1, max_size=40)
# The sizes of the two sides, or the number of pairs.
shapes = st.integers(4, 60) | st.tuples(st.integers(4, 60), st.integers(4, 60))
fractions = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(
    lambda parts: {f"part {index}": part / sum(parts) for index, part in enumerate(parts)}
)
properties = settings(deadline=None, max_examples=60)


def distinct(shape: int | tuple[int, int]) -> ContrastSet:
    n_positive, n_negative = shape if isinstance(shape, tuple) else (shape, shape)
    return ContrastSet(
        [f"good {index}" for index in range(n_positive)],
        [f"bad {index}" for index in range(n_negative)],
        paired=isinstance(shape, int),
    )


def partner(text: str) -> str:
    word, index = text.split()
    return f"{'bad' if word == 'good' else 'good'} {index}"


@properties
@given(sides, sides)
def test_texts_and_labels_run_in_step(positive: list[str], negative: list[str]) -> None:
    contrast = ContrastSet(positive=positive, negative=negative)
    assert contrast.positive == tuple(positive)
    assert contrast.texts == (*positive, *negative)
    assert len(contrast) == len(contrast.texts) == len(contrast.labels)
    labelled = list(zip(contrast.texts, contrast.labels, strict=True))
    assert [text for text, label in labelled if label] == positive
    assert [text for text, label in labelled if not label] == negative


@properties
@given(sides, sides, st.sampled_from([(1, 0), (True, False), ("pos", "neg"), (-1.0, 2.5)]))
def test_labelled_undoes_texts_and_labels(
    positive: list[str], negative: list[str], values: tuple[object, object]
) -> None:
    contrast = ContrastSet(positive, negative)
    labels = [values[0] if label else values[1] for label in contrast.labels]
    assert ContrastSet.labelled(contrast.texts, labels, positive=values[0]) == contrast
    turned = ContrastSet.labelled(contrast.texts, labels, positive=values[1])
    assert (turned.positive, turned.negative) == (contrast.negative, contrast.positive)


@properties
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=30))
def test_pairs_undo_themselves(pairs: list[tuple[str, str]]) -> None:
    contrast = ContrastSet.pairs(iter(pairs))
    assert contrast.paired
    assert list(zip(contrast.positive, contrast.negative, strict=True)) == pairs


@properties
@given(shapes, fractions, st.integers(0, 2**31))
def test_splits_are_disjoint_exhaustive_stratified_and_keep_pairs(
    shape: int | tuple[int, int], shares: dict[str, float], seed: int
) -> None:
    contrast = distinct(shape)
    # A part of more than one text by proportion gets one at least; smaller ones may be refused.
    assume(min(len(contrast.positive), len(contrast.negative)) * min(shares.values()) > 1)
    parts = contrast.split(shares, seed=seed)
    assert list(parts) == list(shares)
    for side in ("positive", "negative"):
        whole = getattr(contrast, side)
        pieces = [getattr(part, side) for part in parts.values()]
        assert sorted(text for piece in pieces for text in piece) == sorted(whole)
        for piece, share in zip(pieces, shares.values(), strict=True):
            assert abs(len(piece) - share * len(whole)) <= 1 + 1e-9
    for part in parts.values():
        assert part.paired == contrast.paired
        if part.paired:
            assert [partner(text) for text in part.positive] == list(part.negative)
    assert contrast.split(shares, seed=seed) == parts


@properties
@given(shapes, st.integers(0, 2**31), st.data())
def test_samples_are_balanced_and_come_from_the_set(
    shape: int | tuple[int, int], seed: int, data: st.DataObject
) -> None:
    contrast = distinct(shape)
    n = data.draw(st.integers(1, min(len(contrast.positive), len(contrast.negative))))
    sample = contrast.sample(n, seed=seed)
    assert len(set(sample.positive)) == len(set(sample.negative)) == n
    assert set(sample.positive) <= set(contrast.positive)
    assert set(sample.negative) <= set(contrast.negative)
    if contrast.paired:
        assert [partner(text) for text in sample.positive] == list(sample.negative)
    assert contrast.sample(n, seed=seed) == sample


@properties
@given(shapes, st.integers(0, 2**31))
def test_shuffled_labels_keep_texts_sizes_and_pairs(
    shape: int | tuple[int, int], seed: int
) -> None:
    contrast = distinct(shape)
    control = contrast.shuffled_labels(seed=seed)
    assert sorted(control.texts) == sorted(contrast.texts)
    assert len(control.positive) == len(contrast.positive)
    if contrast.paired:
        assert [partner(text) for text in control.positive] == list(control.negative)
    assert contrast.shuffled_labels(seed=seed) == control


def test_shuffled_labels_mean_nothing() -> None:
    n = 2_000
    for contrast in (
        ContrastSet(["good"] * n, ["bad"] * n),
        ContrastSet.pairs([("good", "bad")] * n),
    ):
        kept = contrast.shuffled_labels(seed=1).positive.count("good") / n
        # Five standard errors of a share of one half.
        assert abs(kept - 0.5) < 5 * 0.5 / math.sqrt(n)


def test_another_seed_gives_another_choice() -> None:
    contrast = ContrastSet([f"a {i}" for i in range(50)], [f"b {i}" for i in range(50)])
    halves = {"train": 0.5, "test": 0.5}
    assert contrast.split(halves, seed=0) != contrast.split(halves, seed=1)
    assert contrast.sample(10, seed=0) != contrast.sample(10, seed=1)
    assert contrast.shuffled_labels(seed=0) != contrast.shuffled_labels(seed=1)
    # A random part, and not the head of the list.
    assert contrast.sample(10).positive != contrast.positive[:10]


def test_parts_say_where_they_come_from() -> None:
    contrast = ContrastSet(["a", "b"], ["c", "d"], name="set", source="a book")
    part = contrast.split({"train": 0.5, "test": 0.5})["test"]
    assert (part.name, part.source) == ("set/test", "a book")
    assert contrast.sample(1).source == "a book"


def test_any_sequence_of_texts_fits_and_becomes_a_tuple() -> None:
    frame = pd.DataFrame({"text": ["a", "b"]})
    for positive in (["a", "b"], ("a", "b"), frame["text"], np.array(["a", "b"]), iter("ab")):
        contrast = ContrastSet(positive=positive, negative=["c"])
        assert contrast.positive == ("a", "b")
        assert all(type(text) is str for text in contrast.positive)


# Iterators where a list would do: beartype looks at a list's items, and would refuse them first.
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: ContrastSet("a film", ["b"]),
            "list of texts, got 'a film'. For one text",
        ),
        (
            lambda: ContrastSet({"a", "b"}, ["b"]),
            "expected a list of texts, got a set, which",
        ),
        (
            lambda: ContrastSet(["a"], iter(["b", 3.5])),
            "negative=….: .*; item 1 is 3.5",
        ),
        (
            lambda: ContrastSet(iter(["a", None]), ["b"]),
            "positive=….: .*; item 1 is None",
        ),
        (lambda: ContrastSet(["a", "", "b", " \n"], ["c"]), r"2 of 4 .* empty .*index 1, 3"),
        (lambda: ContrastSet([], ["b"]), "positive: expected at least one text, got none"),
        (lambda: ContrastSet(["a"], []), "negative: expected at least one text, got none"),
        (lambda: ContrastSet(["a"], ["b", "c"], paired=True), "1 positive and 2 negative"),
        (lambda: ContrastSet.pairs(iter([("a", "b"), ("c", "d", "e")])), "item 1 is 3"),
        (lambda: ContrastSet.pairs(iter([("a", "b"), "cd"])), "tuples of 2 texts; item 1 is 'cd'"),
        (lambda: ContrastSet.pairs([]), "at least one text, got none"),
        (lambda: ContrastSet.labelled(["a", "b"], [1]), "2 texts and 1 labels"),
        (lambda: ContrastSet.labelled(["a", "b"], [1, 1]), "Got the labels 1,"),
        (lambda: ContrastSet.labelled(["a", "b", "c"], [0, 1, 2]), "the labels 0, 1, 2,"),
        (lambda: ContrastSet.labelled(["a", "b"], ["pos", "neg"]), "'pos', 'neg', with positive=1"),
        (lambda: ContrastSet.labelled(["a", "b"], [1, math.nan]), r"labels\[1\] is nan"),
        (lambda: ContrastSet.labelled(["a", "b"], [1, None]), r"labels\[1\] is None"),
        (lambda: ContrastSet.labelled(["a", "b"], [1, [0]]), r"labels\[1\] is \[0\]"),
        (lambda: ContrastSet.labelled(["a", " "], [1, 0]), "texts: 1 of 2 texts are empty"),
        (lambda: ContrastSet.labelled(map(str, range(9)), range(9)), "and 3 more"),
    ],
)
def test_what_is_no_contrast_is_refused(make: Callable[[], ContrastSet], says: str) -> None:
    with pytest.raises(DataError, match=says):
        make()


@pytest.mark.parametrize(
    "shares",
    [{}, {"a": 0.5}, {"a": 0.6, "b": 0.6}, {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}],
)  # fmt: skip
def test_fractions_that_do_not_add_up_are_refused(shares: dict[str, float]) -> None:
    contrast = ContrastSet(["a"] * 9, ["b"] * 9)
    with pytest.raises(DataError, match="positive and add up to 1"):
        contrast.split(shares)


def test_a_fraction_that_is_none_is_refused() -> None:
    contrast = ContrastSet(["a"] * 9, ["b"] * 9)
    with pytest.raises(NonFiniteError, match="the value of 'a' is NaN"):
        contrast.split({"a": math.nan, "b": 0.5})


def test_a_part_without_a_side_is_refused() -> None:
    contrast = ContrastSet(["a"] * 100, ["b"])
    with pytest.raises(DataError, match="of 1 negative texts"):
        contrast.split({"train": 0.5, "test": 0.5})


@pytest.mark.parametrize("n", [0, -1, 4])
def test_a_sample_larger_than_the_smaller_side_is_refused(n: int) -> None:
    with pytest.raises(DataError, match=r"expected 1 to 3; there are 5 positive and 3 negative"):
        ContrastSet(["a"] * 5, ["b"] * 3).sample(n)


def test_it_cannot_be_changed_and_can_be_compared() -> None:
    contrast = ContrastSet(["a"], ["b"])
    with pytest.raises(AttributeError):
        contrast.name = "other"  # type: ignore[misc]
    assert contrast == ContrastSet(("a",), ("b",))
    assert contrast != ContrastSet(["a"], ["b"], name="other")
    assert len({contrast, ContrastSet(["a"], ["b"])}) == 1


def test_it_shows_its_counts_and_its_beginning() -> None:
    contrast = ContrastSet(["x" * 500] * 1_200, ["<b>bold</b>"], name="<i>set</i>")
    assert "1,200 positive, 1 negative" in repr(contrast)
    assert "<i>set</i>" in repr(contrast)
    assert len(repr(contrast)) < 250
    shown = contrast._repr_html_()
    assert "1,200 positive" in shown
    assert "&lt;b&gt;bold" in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "2 pairs" in repr(ContrastSet.pairs([("a", "b"), ("c", "d")]))
