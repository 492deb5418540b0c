"""A model that gradients pass through, and what it says of continuations."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import pytest
import torch
from making import (
    MODELS,
    SITES,
    assert_same_state,
    batch_of,
    direction,
    own_model,
    rows_of,
    state_of,
)
from models import KINDS, small_model
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import DataError
from tl_steer.lens.forward import run_logits
from tl_steer.lens.hook_names import site_shape
from tl_steer.trained._continuations import log_probs, mean_norm
from tl_steer.trained._frozen import added, edited, frozen


class StopError(Exception):
    """Raised in the middle."""


@pytest.mark.parametrize("error", [None, StopError, KeyboardInterrupt])
@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_model_is_afterwards_as_before(
    kind: str, error: type[BaseException] | None
) -> None:
    model = own_model(kind)
    parameters = list(model.parameters())
    # Some frozen already, and a gradient that is the user's own.
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.ones_like(parameters[1])
    model.blocks[1].train()
    before, kept = state_of(model, generate=False), parameters[1].grad
    vector = torch.ones(32, requires_grad=True)

    def body() -> None:
        with torch.inference_mode(), frozen(model), edited(model, SITES[2], added(vector)):
            assert not any(parameter.requires_grad for parameter in model.parameters())
            # On the right: a row that sees nothing but padding has no gradient to speak of.
            run_logits(model, batch_of(model, side="right")).square().mean().backward()
            assert vector.grad is not None
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(error):
            body()
    assert_same_state(state_of(model, generate=False), before)
    assert parameters[1].grad is kept
    assert bool((kept == 1).all())
    assert float(vector.grad.norm()) > 0  # type: ignore[union-attr]


@cache
def precise_model(kind: str, architecture: str) -> Any:
    """In float64: a difference of float32 losses has two digits."""
    model = small_model(kind, architecture)
    return model.to(torch.float64) if kind == "hooked" else model.double()


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize(("kind", "architecture"), MODELS)
def test_gradients_are_those_of_finite_differences(kind: str, architecture: str, name: str) -> None:
    model = precise_model(kind, architecture)
    at, step = torch.randn(
        2, *site_shape(model, name), generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    signs = torch.tensor([1.0, -1.0, 1.0])

    def loss(vector: Tensor) -> Tensor:
        with frozen(model), edited(model, name, added(vector, signs)):
            return run_logits(model, batch_of(model, side="right"))[:, :2].square().mean()

    vector = at.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(vector), vector)
    # Llama's own norm computes in float32, whatever the model's type.
    rounded = architecture == "llama" and kind != "hooked"
    width, tolerance = (1e-3, 1e-2) if rounded else (1e-5, 1e-5)
    slope = (loss(at + width * step) - loss(at - width * step)) / (2 * width)
    noise = 1e-4 * float(loss(at)) if rounded else 0.0
    found = float((gradient * step).sum())
    assert found == pytest.approx(float(slope), rel=tolerance, abs=noise)
    assert abs(found) > 3 * noise


def test_an_addition_is_what_steering_adds(model: Any) -> None:
    for name in SITES:
        vector = torch.randn(site_shape(model, name), generator=torch.Generator().manual_seed(0))
        batch = batch_of(model)
        with torch.no_grad(), edited(model, name, added(vector)):
            ours = run_logits(model, batch)
        with torch.no_grad(), _steered(model, name, vector):
            assert torch.equal(ours, run_logits(model, batch))


def _steered(model: Any, name: str, vector: Tensor) -> AbstractContextManager[Any]:
    made = direction(model, name)
    object.__setattr__(made, "vector", vector)
    return ts.steer(model, ts.Add(made))


def test_log_probabilities_are_those_of_each_row_alone(model: Any) -> None:
    rows = [((3, 4), (5, 6, 7)), ((8,), (9,)), ((3, 5, 9, 12), (4, 4))]
    with torch.no_grad():
        found = log_probs(model, rows)
        for (prompt, text), value in zip(rows, found.tolist(), strict=True):
            logits = model(torch.tensor([prompt + text]))[0].log_softmax(-1)
            alone = sum(
                float(logits[len(prompt) - 1 + place, token]) for place, token in enumerate(text)
            )
            assert value == pytest.approx(alone, abs=1e-4)


def test_the_mean_norm_is_what_capture_measures(model: Any) -> None:
    texts = ["the film was very good", "a movie was dull", "i loved it so much and the plot"]
    for name in SITES:
        captured = ts.capture(model, texts, at=name, prepend_bos=False, progress=False)
        found = mean_norm(model, rows_of(model, texts), name)
        assert found == pytest.approx(captured.norms[name], rel=1e-4)
    with pytest.raises(DataError, match="second token"):
        mean_norm(model, [(3,)], SITES[0])
