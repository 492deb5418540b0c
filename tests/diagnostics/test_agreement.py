"""Whether single texts agree with the direction."""

import pytest
import torch
from activations_of import AT, activations_of, cosine, two_classes

import tl_steer as ts
from tl_steer.diagnostics._agreement import agreement


@pytest.mark.parametrize("paired", [True, False])
def test_it_is_the_mean_of_single_cosines(paired: bool) -> None:
    positive, negative = two_classes(6, n=20, m=20, gap=0.4)
    acts = activations_of(positive, negative, paired=paired)
    directions = ts.mean_difference(acts)
    if paired:
        singles = [p - n for p, n in zip(positive, negative, strict=True)]
    else:
        middle = (positive.mean(0) + negative.mean(0)) / 2
        singles = [*(p - middle for p in positive), *(middle - n for n in negative)]
    expected = [cosine(single, directions[AT].vector) for single in singles]
    (row,) = agreement(directions, acts).to_dict("records")
    assert row["agreement"] == pytest.approx(sum(expected) / len(expected), abs=1e-5)
    assert row["agreeing"] == pytest.approx(sum(c > 0 for c in expected) / len(expected))


def test_pairs_that_differ_in_one_thing_agree_whatever_else_they_are_about() -> None:
    g = torch.Generator().manual_seed(0)
    topics, apart = 9 * torch.randn(30, 8, generator=g), torch.randn(8, generator=g)
    found = {
        paired: agreement(ts.mean_difference(acts), acts)["agreement"].iloc[0]
        for paired in (True, False)
        for acts in [activations_of(topics + apart, topics, paired=paired)]
    }
    assert found[True] == pytest.approx(1)
    assert found[False] < 0.3
