"""Some of the texts of what was read."""

import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes, without_classes

from tl_steer.errors import DataError

POSITIVE, NEGATIVE = two_classes(3, n=4, m=4)


def test_it_keeps_the_vectors_and_classes_of_its_texts_in_order() -> None:
    some = activations_of(POSITIVE, NEGATIVE).subset([6, 0, 3])
    assert torch.equal(some[AT], torch.stack([POSITIVE[0], POSITIVE[3], NEGATIVE[2]]))
    assert torch.equal(some.positive(AT), POSITIVE[[0, 3]])
    assert some.text_index[AT].tolist() == [0, 1, 2]
    assert some.counts(AT) == (2, 1)


def test_a_text_keeps_all_its_tokens() -> None:
    texts = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    acts = activations_of(
        POSITIVE, NEGATIVE, text_index={AT: texts}, is_positive=torch.arange(4) < 2
    )
    some = acts.subset([1, 2])
    assert torch.equal(some[AT], torch.cat([POSITIVE[2:], NEGATIVE[:2]]))
    assert some.text_index[AT].tolist() == [0, 0, 1, 1]
    assert some.counts(AT) == (2, 2)


@pytest.mark.parametrize(("texts", "paired"), [([0, 2, 4, 6], True), ([0, 2, 4, 5], False)])
def test_pairs_are_pairs_only_whole(texts: list[int], paired: bool) -> None:
    assert activations_of(POSITIVE, NEGATIVE, paired=True).subset(texts).paired is paired


def test_texts_without_classes() -> None:
    some = without_classes(POSITIVE).subset([1])
    assert torch.equal(some[AT], POSITIVE[1:2])
    assert some.is_positive is None


@pytest.mark.parametrize("texts", [[], [8], [-1]])
def test_texts_that_are_not_there_are_refused(texts: list[int]) -> None:
    with pytest.raises(DataError, match="each from 0 to 7"):
        activations_of(POSITIVE, NEGATIVE).subset(texts)


def test_moments_have_no_subset() -> None:
    with pytest.raises(DataError, match="moments_only"):
        moments_of(activations_of(POSITIVE, NEGATIVE)).subset([0])
