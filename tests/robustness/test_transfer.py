"""Directions of one model on another, and maps against planted ones."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, without_classes
from making import direction, own_model, shared_model
from models import KINDS, small_model
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.protocol import model_info
from tl_steer.robustness._transfer import ActivationMap, fit_map, transfer

TEXTS = ["the film was good", "a dull movie", "i loved it", "the plot was awful", "so much music"]


@cache
def relative() -> Any:
    """Of the same width, with other weights and another name."""
    model = small_model("bridge", "llama", seed=5)
    model.cfg.model_name = "fine-tuned-llama"
    return model


def rows(n: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator) + 3


def turn(width: int) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.linalg.qr(torch.randn(width, width, generator=generator)).Q


def test_a_planted_turn_and_scale_are_found() -> None:
    x, q = rows(60, 6, 0), turn(6)
    found = fit_map(without_classes(x), without_classes(2.5 * x @ q + 7))
    torch.testing.assert_close(found.matrix, 2.5 * q.T, atol=1e-4, rtol=1e-4)
    assert found.r_squared == pytest.approx(1, abs=1e-6)
    # A difference of two texts becomes the difference of what they become.
    torch.testing.assert_close(found(x[0] - x[1]), 2.5 * (x[0] - x[1]) @ q, atol=1e-3, rtol=1e-3)


def test_the_turn_is_the_best_of_many() -> None:
    x, noise = rows(40, 4, 0), rows(40, 4, 1)
    y = x @ turn(4) + noise
    found = fit_map(without_classes(x), without_classes(y), held_out=0.0)
    assert math.isnan(found.r_squared)
    centred = [(each - each.mean(0)).double() for each in (x, y)]

    def error(matrix: Tensor) -> float:
        return float((centred[0] @ matrix.double().T - centred[1]).norm())

    matrix = found.matrix.double()
    scale = float(matrix.norm()) / 2
    torch.testing.assert_close(matrix @ matrix.T, scale**2 * torch.eye(4).double())
    generator = torch.Generator().manual_seed(3)
    for _ in range(200):
        small = 0.2 * torch.randn(4, 4, generator=generator)
        other = scale * torch.linalg.matrix_exp(small - small.T).double() @ (matrix / scale)
        assert error(matrix) <= error(other) + 1e-9
    assert error(matrix) < min(error(0.95 * matrix), error(1.05 * matrix))


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_least_squares_is_the_formula_and_widths_may_differ(ridge: float) -> None:
    x, m = rows(50, 5, 0), rows(5, 8, 1)
    y = x @ m + 0.1 * rows(50, 8, 2)
    found = fit_map(
        without_classes(x), without_classes(y), orthogonal=False, ridge=ridge, held_out=0.0
    )
    own, other = ((each - each.mean(0)).double().numpy() for each in (x, y))
    added = ridge * (own**2).sum() / 5 * np.eye(5)
    expected = np.linalg.solve(own.T @ own + added, own.T @ other).T
    np.testing.assert_allclose(found.matrix.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert found.matrix.shape == (8, 5)
    assert found(torch.ones(5)).shape == (8,)


def test_held_out_texts_show_what_training_texts_hide() -> None:
    """With fewer texts than dimensions every map fits; noise is not explained all the same."""
    x, noise = rows(24, 40, 0), rows(24, 40, 1)
    chance = fit_map(without_classes(x), without_classes(noise), orthogonal=False, ridge=0.0)
    assert chance.r_squared < 0.1
    few = fit_map(without_classes(x), without_classes(x @ turn(40)), orthogonal=False, ridge=0.0)
    many = rows(400, 40, 2)
    enough = fit_map(
        without_classes(many), without_classes(many @ turn(40)), orthogonal=False, ridge=0.0
    )
    assert few.r_squared < 0.8 < 0.99 < enough.r_squared
    again = fit_map(without_classes(x), without_classes(x @ turn(40)), orthogonal=False, ridge=0.0)
    assert torch.equal(again.matrix, few.matrix)
    assert "of 19 texts" in few.method


def test_moved_without_a_map_says_so() -> None:
    model = shared_model("bridge", "llama")
    given = direction(model, "blocks.1.hook_resid_post")
    with pytest.raises(MismatchError, match="another model"):
        given.check_fits(relative())
    moved = transfer(given, relative(), at="blocks.2.hook_resid_post", scale=9.0)
    moved.check_fits(relative())
    assert torch.equal(moved.vector, given.vector)
    assert (moved.hook_name, moved.scale) == ("blocks.2.hook_resid_post", 9.0)
    assert moved.provenance.model == model_info(relative())
    assert moved.provenance.method == (
        "(random) moved from blocks.1.hook_resid_post of small-llama"
    )
    assert transfer(given, relative()).scale == given.scale
    # What it came from is as it was.
    given.check_fits(model)
    with pytest.raises(MismatchError, match="another model"):
        moved.check_fits(model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orthogonal", [True, False])
def test_a_map_between_real_models_moves_a_direction(kind: str, orthogonal: bool) -> None:
    """A relative that is the model itself, turned: the map undoes what it is told of."""
    model, at = shared_model(kind, "llama"), "blocks.1.hook_resid_post"
    other = shared_model("bridge", "gpt2")
    one, two = (ts.capture(each, TEXTS, at=at, progress=False) for each in (model, other))
    through = fit_map(one, two, orthogonal=orthogonal)
    given = direction(model, at)
    moved = transfer(given, other, through=through)
    moved.check_fits(other)
    torch.testing.assert_close(moved.vector, through.matrix @ given.vector)
    assert moved.scale == two.norms[at]
    kind_of_map = "orthogonal map" if orthogonal else "least-squares map (ridge 0.1)"
    assert moved.provenance.method == (
        f"(random) moved from {at} of small-llama, by {kind_of_map} of 4 texts"
    )
    ts.generate(other, "the film", ts.Steering(ts.Add(moved, 1.0)), progress=False)


def test_a_map_between_two_layers_of_one_model() -> None:
    model = shared_model("bridge", "llama")
    names = ["blocks.0.hook_resid_post", "blocks.2.attn.hook_z"]
    acts = ts.capture(model, TEXTS, at=names, progress=False)
    through = fit_map(acts, acts, from_at=names[0], to_at=names[1])
    moved = transfer(direction(model, names[0]), model, through=through)
    assert moved.hook_name == names[1]
    assert moved.vector.shape == (4, 8)
    moved.check_fits(model)


def some_map(**changes: Any) -> ActivationMap:
    x = rows(12, 32, 0)
    found = fit_map(without_classes(x), without_classes(x))
    info = model_info(shared_model("bridge", "llama"))
    fitting = replace(found, from_model=info, to_model=model_info(relative()))
    return replace(fitting, **changes)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"at": "blocks.7.hook_resid_post"}, HookNameError, "blocks 0 to 3"),
        ({"at": "blocks.*.hook_resid_post"}, HookNameError, "expected one hook point"),
        ({"at": "blocks.1.mlp.hook_post"}, MismatchError, "Fit a map"),
        ({"scale": math.nan}, NonFiniteError, "is not finite"),
        ({"through": {"from_at": "blocks.0.hook_mlp_out"}}, MismatchError, "The map is from"),
        ({"through": {"to_at": AT}, "at": "blocks.2.hook_mlp_out"}, MismatchError, "leads to"),
        ({"through": {"to_model": "itself"}}, MismatchError, "name is 'small-llama'"),
        ({"through": {"from_model": "other"}}, MismatchError, "name is 'fine-tuned-llama'"),
    ],
)
def test_what_does_not_fit_is_refused(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    asked = dict(changes)
    infos = {
        "itself": model_info(shared_model("bridge", "llama")),
        "other": model_info(relative()),
    }
    if "through" in asked:
        own = {name: infos.get(value, value) for name, value in asked["through"].items()}
        asked["through"] = some_map(**own)
    with pytest.raises(error, match=says):
        transfer(direction(shared_model("bridge", "llama"), AT), relative(), **asked)


@pytest.mark.parametrize(
    ("x", "y", "changes", "error", "says"),
    [
        (rows(12, 4, 0), rows(10, 4, 0), {}, DataError, "Got 12 and 10 vectors"),
        (rows(12, 4, 0), rows(12, 5, 0), {}, MismatchError, "4 dimensions and"),
        (rows(12, 4, 0), torch.ones(12, 4), {}, NonFiniteError, "are the same"),
        (rows(2, 4, 0), rows(2, 4, 1), {"held_out": 0.5}, DataError, "1 texts are left"),
        (rows(12, 4, 0), rows(12, 4, 0), {"ridge": -1.0}, SteerError, "ridge=-1.0"),
        (rows(12, 4, 0), rows(12, 4, 0), {"held_out": 1.0}, SteerError, "held_out=1.0"),
        (rows(12, 4, 0), rows(12, 4, 0), {"to_at": "blocks.9"}, HookNameError, "not captured"),
    ],
)
def test_activations_that_do_not_fit_are_refused(
    x: Tensor, y: Tensor, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        fit_map(without_classes(x), without_classes(y), **changes)


def test_several_hook_points_have_to_be_told_apart() -> None:
    model = shared_model("bridge", "llama")
    acts = ts.capture(model, TEXTS, at="blocks.*.hook_resid_post", progress=False)
    with pytest.raises(DataError, match="Choose one with from_at="):
        fit_map(acts, acts)


def test_a_direction_of_itself_may_be_moved_to_another_hook_point() -> None:
    model = own_model("bridge")
    moved = transfer(direction(model, AT), model, at="blocks.0.hook_mlp_out")
    assert moved.hook_name == "blocks.0.hook_mlp_out"
    moved.check_fits(model)
