from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import (
    AT,
    INFO,
    activations_of,
    few_dimensions,
    moments_of,
    two_classes,
    without_classes,
)
from models import small_model

import tl_steer as ts
from tl_steer.directions._mean_centring import mean_centring
from tl_steer.directions._measured import DominatedDirectionWarning
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError

pytestmark = few_dimensions


def means(*several: torch.Tensor) -> list[np.ndarray]:
    return [each.double().numpy().mean(0) for each in several]


def near(found: ts.Directions, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found[AT].vector.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(8,), (2, 4)])
def test_it_is_the_mean_of_the_target_minus_that_of_the_background(shape: Any) -> None:
    target, background = two_classes(*shape, n=5, m=30)
    a, b = means(target, background)
    near(mean_centring(without_classes(target), without_classes(background)), a - b)


@pytest.mark.parametrize("moments", [False, True])
def test_of_a_contrast_set_the_target_is_what_has_the_property(moments: bool) -> None:
    positive, negative = two_classes(8, n=5, m=9)
    background = 2 + torch.randn(7, 8)
    a, b = means(positive, background)
    target = activations_of(positive, negative)
    target = moments_of(target) if moments else target
    near(mean_centring(target, without_classes(background)), a - b)


@pytest.mark.parametrize("moments", [False, True])
def test_of_a_contrast_set_the_background_is_all_of_it(moments: bool) -> None:
    target, other = two_classes(8, n=5, m=9)
    background = activations_of(other[:3], other[3:])
    a, b = means(target, other)
    near(
        mean_centring(
            without_classes(target), moments_of(background) if moments else background
        ),
        a - b,
    )  # fmt: skip


def test_a_direction_knows_where_it_came_from() -> None:
    model = small_model("bridge")
    at = ["blocks.1.attn.hook_z", "blocks.*.hook_mlp_out"]
    target = ts.capture(model, ["the film was great", "i loved it"], at=at, progress=False)
    background = ts.capture(
        model, ["a story", "the music is long", "an actor and a plot"], at=at, progress=False
    )
    found = mean_centring(target, background)
    assert list(found) == list(target.hook_names)
    for name, each in found.items():
        each.check_fits(model)
        assert each.scale == target.norms[name]
        expected = target[name].mean(0) - background[name].mean(0)
        torch.testing.assert_close(each.vector, expected)
    origin = found["blocks.1.hook_mlp_out"].provenance
    assert (origin.method, origin.data) == ("mean-centring", "texts against texts")
    assert (origin.n_positive, origin.n_negative) == (2, 3)
    assert (origin.read, origin.left_out) == ("MeanOfTokens()", "2 first")


def test_strength_one_moves_the_background_onto_the_target() -> None:
    model = small_model("bridge")
    texts = ["a story", "the music is long", "that plot was too short"]
    target = ts.capture(model, ["the film was great", "i loved it"], at=AT, progress=False)
    background = ts.capture(model, texts, at=AT, progress=False)
    (found,) = mean_centring(target, background).values()
    with ts.steer(model, ts.Add(found)):
        moved = ts.capture(model, texts, at=AT, progress=False)
    torch.testing.assert_close(moved[AT].mean(0), target[AT].mean(0), rtol=1e-4, atol=1e-5)


def test_every_token_of_a_text_may_count() -> None:
    model = small_model("bridge")
    at = [AT, "blocks.1.attn.hook_z"]
    target, background = (
        ts.capture(model, texts, at=at, read=ts.activations.EveryToken(), progress=False)
        for texts in (["the film was great"], ["a story", "the music is long"])
    )
    origin = mean_centring(target, background)[AT].provenance
    assert (origin.n_positive, origin.n_negative) == (3, 4)


def test_neither_is_changed() -> None:
    target, background = (without_classes(each) for each in two_classes(8))
    before = target[AT].clone(), background[AT].clone()
    mean_centring(target, background)
    assert torch.equal(target[AT], before[0])
    assert torch.equal(background[AT], before[1])
    assert target.is_positive is None


def test_a_dominated_direction_is_warned_of() -> None:
    target = without_classes(torch.tensor([[3.0, 1.0, -5.0, 1.0]]))
    with pytest.warns(DominatedDirectionWarning, match=r"dimension 2: 69%"):
        mean_centring(target, without_classes(torch.zeros(1, 4)))


def test_what_cannot_be_compared_is_refused() -> None:
    target, background = (without_classes(each) for each in two_classes(8))
    other = replace(background, model=replace(INFO, name="other"))
    with pytest.raises(MismatchError, match="two models \\(name is 'm', not 'other'\\)"):
        mean_centring(target, other)
    with pytest.raises(MismatchError, match=r"read by MeanOfTokens\(\) and the background by Last"):
        mean_centring(target, replace(background, read="LastToken()"))
    elsewhere = without_classes(background[AT], at="blocks.2.hook_mlp_out")
    with pytest.raises(HookNameError, match=f"background was not captured at {AT}"):
        mean_centring(target, elsewhere)


def test_equal_means_are_refused() -> None:
    one = without_classes(torch.full((3, 8), 0.1))
    with pytest.raises(DataError, match=f"{AT}: target and background have the same mean"):
        mean_centring(one, one)
    with pytest.raises(DataError, match="the same mean"):
        mean_centring(one, without_classes(torch.full((5, 8), 0.1 + 1e-8)))


@pytest.mark.parametrize("which", [0, 1])
def test_numbers_that_are_not_finite_are_refused(which: int) -> None:
    both = two_classes(8)
    both[which][2, 3] = float("inf")
    with pytest.raises(NonFiniteError, match=f"{AT}: the activations hold NaN or infinity"):
        mean_centring(*map(without_classes, both))


def test_moments_of_one_class_are_enough() -> None:
    """The negative texts of a target are not looked at."""
    positive, negative = two_classes(8)
    background = without_classes(torch.zeros(3, 8))
    one, other = (
        mean_centring(moments_of(activations_of(positive, rest)), background)
        for rest in (negative, 100 * negative)
    )
    assert torch.equal(one[AT].vector, other[AT].vector)
