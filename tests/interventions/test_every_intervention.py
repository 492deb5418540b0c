"""What holds for every intervention: zero, rows, dtypes, the cache, the batch, refusals."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import interventions_of
import pytest
import torch
from interventions_of import AT, INTERVENTIONS, ON_HEADS, Z
from making import (
    TEXTS,
    batch_of,
    direction,
    generated_by_model,
    generated_by_us,
    hooks_of,
    logits_of,
    shared_model,
)
from models import KINDS

import tl_steer as ts
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.interventions import check_fits, n_rows, rows
from tl_steer.interventions._fields import with_strength
from tl_steer.interventions._protocol import Intervention
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import site_shape

BOTH = {**INTERVENTIONS, **ON_HEADS}
HALF = {"slerp": 0.3, "slerp, on heads": 0.3}

every = pytest.mark.parametrize("what", BOTH)
on_every_class = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _nothing_stays_here(request: pytest.FixtureRequest) -> Iterator[None]:
    kinds = KINDS if "kind" in request.fixturenames else ()
    before = [hooks_of(shared_model(kind, "llama")) for kind in kinds]
    yield
    assert [hooks_of(shared_model(kind, "llama")) for kind in kinds] == before


def made(what: str, model: Any, strength: Any = None, **settings: Any) -> list[Any]:
    """At the residual stream and at the heads, as far as it can be there."""
    strength = HALF.get(what, 0.6) if strength is None else strength
    names = [Z] if what in ON_HEADS else [AT, Z]
    return [BOTH[what](model, name, strength, **settings) for name in names]


def context_of(batch: int, positions: int) -> Context:
    at = torch.arange(positions).repeat(batch, 1)
    return Context(at, torch.full((batch,), positions), at)


def edited(intervention: Any, acts: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    found = intervention.edit()(acts, strength, context_of(*acts.shape[:2]))
    assert found.shape == acts.shape
    assert found.dtype == acts.dtype
    return found


@every
def test_a_row_does_not_depend_on_the_rows_beside_bit_for_bit(what: str) -> None:
    model = shared_model("bridge", "llama")
    for each in made(what, model):
        acts = torch.randn(5, 7, *site_shape(model, each.hook_name))
        strengths = torch.linspace(-0.5, 1, 5)[:, None]
        together = edited(each, acts, strengths)
        for row in range(5):
            one = slice(row, row + 1)
            assert torch.equal(edited(each, acts[one], strengths[one]), together[one])
        shorter = edited(each, acts[:, :3], strengths)
        assert torch.equal(shorter, together[:, :3])


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes_are_float32_rounded_once(what: str, dtype: torch.dtype) -> None:
    model = shared_model("bridge", "llama")
    for each in made(what, model):
        acts = torch.randn(2, 3, *site_shape(model, each.hook_name)).to(dtype)
        before = acts.clone()
        found = edited(each, acts, torch.tensor([[0.6]])).double()
        expected = edited(each, acts.float(), torch.tensor([[0.6]])).double()
        # Once for the maps; additions, erasures and wrappers round a second time.
        rounding = max(2 * torch.finfo(dtype).eps, 1e-6)
        torch.testing.assert_close(found, expected, rtol=rounding, atol=4 * rounding)
        assert torch.equal(acts, before)


@every
@on_every_class
def test_zero_is_nothing(what: str, kind: str) -> None:
    model = shared_model(kind, "llama")
    unsteered = logits_of(model)
    for zero in (0.0, lambda acts, context: 0.0 * context.positions):
        with ts.steer(model, *made(what, model, zero)):
            assert torch.equal(logits_of(model), unsteered)
    with ts.steer(model, *made(what, model, [0.6, 0.0, 0.6])):
        steered = logits_of(model)
    assert torch.equal(steered[1], unsteered[1])
    assert not torch.equal(steered[2], unsteered[2])


@every
@on_every_class
def test_rows_and_functions_are_numbers_of_their_own(what: str, kind: str) -> None:
    model = shared_model(kind, "llama")
    strengths = torch.tensor([0.2, -0.3, 0.7])
    real = batch_of(model).real
    several = made(what, model, strengths)
    assert {n_rows(each) for each in several} == {3}
    with ts.steer(model, *several):
        together = logits_of(model)
    with ts.steer(model, *made(what, model, lambda acts, c: strengths[:, None] * c.real)):
        torch.testing.assert_close(logits_of(model)[real], together[real], atol=1e-4, rtol=0)
    for row, text in enumerate(TEXTS):
        with ts.steer(model, *made(what, model, float(strengths[row]))):
            alone = logits_of(model, [text])[0]
        torch.testing.assert_close(together[row][real[row]], alone, atol=1e-4, rtol=0)


@every
@on_every_class
def test_neither_cache_nor_batch_matter(what: str, kind: str) -> None:
    model = shared_model(kind, "llama")
    # Of prompt and generated tokens both.
    steering = ts.Steering(*made(what, model, scope=ts.Positions(-3)))
    texts = ("the film was very good", "a movie")
    together = generated_by_us(model, texts, steering, steps=3)
    with ts.steer(model, steering):
        for text, expected in zip(texts, together, strict=True):
            for cache in (True, False):
                found = generated_by_model(
                    model, text, steps=3, prepend_bos=False, use_past_kv_cache=cache
                )
                assert found == [expected]


@every
def test_outside_the_scope_nothing_is_touched(what: str) -> None:
    model = shared_model("bridge", "llama")
    unsteered = logits_of(model)
    # Rows are padded on the left; the second has two tokens.
    with ts.steer(model, *made(what, model, scope=slice(2, None))):
        steered = logits_of(model)
    real = batch_of(model).real
    assert torch.equal(steered[1][real[1]], unsteered[1][real[1]])
    assert torch.equal(steered[0][real[0]][:2], unsteered[0][real[0]][:2])
    assert not torch.equal(steered[0][real[0]][2:], unsteered[0][real[0]][2:])


@every
def test_it_is_an_intervention(what: str) -> None:
    model = shared_model("bridge", "llama")
    for each in made(what, model, 0.5, scope=slice(0, 4)):
        assert isinstance(each, Intervention)
        assert n_rows(each) is None
        assert each.scope == ts.Positions(0, 4)
        assert (each.strength, with_strength(each, 2.0).strength) == (0.5, 2.0)
        of_rows = rows(with_strength(each, [1.0, 2.0, 3.0]), [2, 0])
        assert torch.as_tensor(of_rows.strength).tolist() == [3.0, 1.0]
        assert type(of_rows) is type(each)
        check_fits(each, model)


@every
def test_bad_strengths_and_scopes_are_refused(what: str) -> None:
    model = shared_model("bridge", "llama")
    for wrong in (float("nan"), float("inf"), [1.0, -float("inf")]):
        with pytest.raises(NonFiniteError, match="strength"):
            made(what, model, wrong)
    with pytest.raises(SteerError, match="no step"):
        made(what, model, scope=slice(0, 4, 2))


@pytest.mark.parametrize("what", [what for what in BOTH if "custom" not in what])
def test_another_model_is_refused(what: str) -> None:
    model, other = shared_model("bridge", "llama"), shared_model("bridge", "gpt2")
    for each in made(what, model):
        with pytest.raises(MismatchError, match="read from another model"):
            ts.steer(other, each)


@pytest.mark.parametrize("what", [what for what in INTERVENTIONS if "custom" not in what])
def test_a_vector_of_another_width_is_refused(what: str) -> None:
    model = shared_model("bridge", "llama")
    # Of the neurons, which are twice as many, and said to be of the residual stream.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interventions_of, "direction", claimed)
        wide = INTERVENTIONS[what](model, AT, 0.5)
    with pytest.raises(MismatchError, match="has 32 numbers a token"):
        ts.steer(model, wide)


def claimed(model: Any, name: str, seed: int = 0) -> ts.Direction:
    return replace(direction(model, "blocks.1.mlp.hook_post", seed), hook_name=name)
