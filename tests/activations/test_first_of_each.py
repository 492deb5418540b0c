"""The first texts of each class."""

import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes, without_classes

from tl_steer.activations._first_of_each import first_of_each
from tl_steer.errors import DataError

POSITIVE, NEGATIVE = two_classes(3, n=4, m=2)


def test_it_keeps_the_first_of_each() -> None:
    one = first_of_each(activations_of(POSITIVE, NEGATIVE), 1)
    assert torch.equal(one[AT], torch.stack([POSITIVE[0], NEGATIVE[0]]))
    three = first_of_each(activations_of(POSITIVE, NEGATIVE), 3)
    assert torch.equal(three.positive(AT), POSITIVE[:3])
    assert torch.equal(three.negative(AT), NEGATIVE)


def test_pairs_stay_pairs() -> None:
    pairs = activations_of(POSITIVE, POSITIVE + 1, paired=True)
    assert first_of_each(pairs, 2).paired


def test_what_has_no_first_is_refused() -> None:
    with pytest.raises(DataError, match="no classes"):
        first_of_each(without_classes(POSITIVE), 1)
    with pytest.raises(DataError, match="moments_only"):
        first_of_each(moments_of(activations_of(POSITIVE, NEGATIVE)), 1)
    with pytest.raises(DataError, match="at least one number"):
        first_of_each(activations_of(POSITIVE, NEGATIVE), 0)
