"""Directions of vectors that somebody has already."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from making import SITES, TEXTS, as_users_run_it, greedy, logits_of, own_model, shared_model

import tl_steer as ts
from tl_steer.errors import HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.hook_names import site_shape

STREAM = "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def llama() -> Any:
    return shared_model("bridge", "llama")


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "convert",
    [
        lambda v: v,
        lambda v: v.numpy(),
        lambda v: v.tolist(),
        lambda v: tuple(v.tolist()),
        lambda v: pd.Series(v.numpy(), index=range(5, 37)),
        lambda v: v.double(),
        lambda v: v[None],
        lambda v: v.numpy()[None, None],
        lambda v: v.clone().requires_grad_(),
        lambda v: [*v],
    ],
)
def test_any_kind_of_vector_will_do(llama: Any, convert: Any) -> None:
    vector = numbers(32)
    with as_users_run_it():
        mine = ts.Direction.of(convert(vector), at=1, model=llama, scale=3.0)
    assert mine.vector.dtype == torch.float32
    torch.testing.assert_close(mine.vector, vector)
    assert (mine.hook_name, mine.scale) == (STREAM, 3.0)


def test_what_no_file_can_hold_is_refused_when_it_is_made(llama: Any) -> None:
    vector = torch.linspace(-1, 1, 32)
    with pytest.raises(
        SteerError, match=r"source is 'a.ud800', which contains half of a character"
    ):
        ts.Direction.of(vector, at=1, model=llama, source="a\ud800")
    made = ts.Direction.of(vector, at=1, model=llama)
    with pytest.raises(HookNameError, match="half of a character"):
        replace(made, hook_name="blocks.1.\ud800")


@pytest.mark.parametrize("at", SITES)
def test_every_site_has_its_own_shape(model: Any, at: str) -> None:
    shape = site_shape(model, at)
    mine = ts.Direction.of(numbers(*shape), at=at, model=model)
    acts = ts.capture(model, ts.data.neutral_background()[::8], at=at, progress=False)
    assert mine.scale == pytest.approx(acts.norms[at])
    assert mine.scale > 0
    assert mine.dose(2.0) == pytest.approx(2 * mine.norm / mine.scale)
    assert not torch.equal(steered(model, mine), logits_of(model))
    with pytest.raises(MismatchError, match="numbers a token; this vector has"):
        ts.Direction.of(numbers(*shape, 2), at=at, model=model)


def steered(model: Any, direction: ts.Direction) -> torch.Tensor:
    with ts.steer(model, ts.Add(direction, 2.0)):
        return logits_of(model)


def test_it_steers_like_any_other(llama: Any) -> None:
    read = ts.mean_difference(ts.capture(llama, contrast(), at=1, progress=False))[1]
    mine = ts.Direction.of(read.vector.numpy(), at=1, model=llama, scale=read.scale)
    for joy in (read, mine):
        texts = greedy(llama, TEXTS, ts.Steering(ts.Add(joy, dose=0.3))).texts
        assert texts == greedy(llama, TEXTS, ts.Steering(ts.Add(read, dose=0.3))).texts


def contrast() -> ts.ContrastSet:
    return ts.ContrastSet(
        positive=["the film was great", "a good movie"],
        negative=["the plot was bad", "a dull film"],
    )


def test_where_it_is_from_is_remembered_and_saved(llama: Any, tmp_path: Path) -> None:
    mine = ts.Direction.of(numbers(32), at=1, model=llama, method="a probe", source="May 2026")
    assert (mine.provenance.method, mine.provenance.source) == ("a probe", "May 2026")
    assert "a probe at blocks.1.hook_resid_post" in repr(mine)
    for one in (mine, ts.Direction.of(numbers(32), at=1)):
        back = ts.Directions.load(one.save(tmp_path / "mine.safetensors"))[1]
        assert torch.equal(back.vector, one.vector)
        assert (back.scale, back.provenance) == (one.scale, one.provenance)
        assert torch.equal(pickle.loads(pickle.dumps(one)).vector, one.vector)


def test_without_a_model_it_may_be_used_on_any_that_it_fits(llama: Any) -> None:
    mine = ts.Direction.of(numbers(32), at=1)
    assert "any model" in repr(mine)
    assert mine.scale == 0
    for name in ("llama", "gpt2"):
        other = shared_model("bridge", name)
        assert not torch.equal(steered(other, mine), logits_of(other))
    known = ts.Direction.of(numbers(32, seed=1), at=1, model=llama)
    assert (mine + known).provenance.model == known.provenance.model
    assert (mine + known).scale == known.scale
    for ask in (mine.dose, lambda: mine.strength_for(dose=0.1), lambda: ts.Add(mine, dose=0.1)):
        with pytest.raises(NonFiniteError, match=r"Direction\.of\(vector, at=…, model=model\)"):
            ask()


def test_a_model_without_a_tokenizer_leaves_the_scale_to_you() -> None:
    model = own_model("bridge")
    model.tokenizer = None
    assert ts.Direction.of(numbers(32), at=1, model=model).scale == 0


@pytest.mark.parametrize(
    "vector",
    [
        None, "joy", 3.0, [], [[1.0], [2.0, 3.0]], ["a"] * 32, {1: 2.0}, torch.tensor(1.0),
        numbers(32).to(torch.complex64), numbers(32) > 0, numbers(32).to("meta"),
        numbers(32).to_sparse(), np.array([None] * 32), np.ones(32, dtype=complex), object(),
    ],
)  # fmt: skip
def test_what_is_no_vector_is_refused(llama: Any, vector: Any) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match="expected a vector"):
        ts.Direction.of(vector, at=1, model=llama)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda m: ts.Direction.of([float("nan")] * 32, at=1, model=m), NonFiniteError, "32 of"),
        (lambda m: ts.Direction.of([1e300] * 32, at=1, model=m), NonFiniteError, "beyond float32"),
        (lambda m: ts.Direction.of(numbers(31), at=1, model=m), MismatchError, "has 31"),
        (
            lambda m: ts.Direction.of(numbers(32), at="blocks.1.attn.hook_z", model=m),
            MismatchError,
            "vector.reshape(4, 8)",
        ),
        (lambda m: ts.Direction.of(numbers(3, 32), at=1), MismatchError, "one axis"),
        (lambda m: ts.Direction.of(numbers(32), at="blocks.1.attn.hook_q"), MismatchError, "heads"),
        (lambda m: ts.Direction.of(numbers(32), at=9, model=m), HookNameError, "layers 0 to 3"),
        (lambda m: ts.Direction.of(numbers(32), at=-1), HookNameError, "not known"),
        (lambda m: ts.Direction.of(numbers(32), at=1, scale=0), NonFiniteError, "over 0"),
        (
            lambda m: ts.Direction.of(numbers(32), at=1, scale="x"),
            SteerError,
            "expected a number or None, got 'x'",
        ),
        (
            lambda m: ts.Direction.of(numbers(32), at=1, model=7),
            SteerError,
            "expected a TransformerLens model",
        ),
        (lambda m: ts.Directions.from_dict(numbers(4, 32)), SteerError, "dict(enumerate(matrix))"),
        (lambda m: ts.Directions.from_dict({}), SteerError, "got none"),
        (
            lambda m: ts.Directions.from_dict({1: numbers(32), STREAM: numbers(32)}),
            HookNameError,
            "the same hook point",
        ),
        (
            lambda m: ts.Directions.from_dict({1: numbers(32)}, scales={2: 1.0}),
            HookNameError,
            "scales has 2, for which there is no vector",
        ),
    ],
)
def test_what_does_not_fit_is_refused(llama: Any, make: Any, error: Any, says: str) -> None:
    with as_users_run_it(), pytest.raises(error) as refused:
        make(llama)
    assert says in str(refused.value)


def test_a_matrix_of_all_layers_is_measured_in_one_pass(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tl_steer.directions import _given as given

    passes: list[Any] = []
    original = given.capture
    monkeypatch.setattr(
        given, "capture", lambda *a, **k: passes.append(k["at"]) or original(*a, **k)
    )
    matrix = numbers(4, 32)
    mine = ts.Directions.from_dict(dict(enumerate(matrix)), model=llama, scales={0: 5.0})
    assert passes == [[f"blocks.{layer}.hook_resid_post" for layer in (1, 2, 3)]]
    assert [mine[layer].layer for layer in range(4)] == [0, 1, 2, 3]
    assert torch.equal(mine[-1].vector, matrix[3])
    assert mine[0].scale == 5.0
    assert mine[2].scale == pytest.approx(ts.Direction.of(matrix[2], at=2, model=llama).scale)


@pytest.mark.parametrize(
    "use",
    [
        ts.Add, ts.Ablate, ts.Replace, ts.interventions.Slerp,
        lambda v: ts.interventions.SetProjection(v, 1.0),
        lambda v: ts.interventions.Rotate(v, v, 30.0),
        lambda v: ts.interventions.AffineEdit(v, v),
        lambda v: ts.interventions.ScaleAlong(v, 2.0), lambda v: ts.strengths.Dose(v, 0.1),
    ],
)  # fmt: skip
def test_a_tensor_is_told_how_to_become_a_direction(use: Any) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match=r"Direction\.of\("):
        use(numbers(32))
