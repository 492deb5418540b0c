"""Directions made orthogonal, in order and symmetrically."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from activations_of import cosine
from hypothesis import given, settings, strategies as st
from making import direction, shared_model

from tl_steer.directions._sums import orthogonalised
from tl_steer.errors import MismatchError, NonFiniteError

MODEL = shared_model("bridge", "llama")
AT, Z = "blocks.1.hook_resid_post", "blocks.2.attn.hook_z"


def overlapping(name: str, n: int, seed: int = 0) -> list:
    """Directions that share a good part of themselves, of very different lengths."""
    common = direction(MODEL, name, 999)
    own = [direction(MODEL, name, 10 * seed + number) for number in range(n)]
    return [10.0**number * (common + each) for number, each in enumerate(own)]


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 50),
    symmetric=st.booleans(),
    name=st.sampled_from([AT, Z]),
)
def test_they_are_orthogonal_and_keep_what_is_theirs(
    n: int, seed: int, symmetric: bool, name: str
) -> None:
    before = overlapping(name, n, seed)
    after = orthogonalised(*before, symmetric=symmetric)
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new.vector.shape == old.vector.shape
        assert new.hook_name == name
        # ŵŵᵀv = w
        assert float((new.unit.vector * old.vector).sum()) == pytest.approx(new.norm, rel=1e-4)
        for other in after[:number]:
            assert cosine(new.vector, other.vector) == pytest.approx(0, abs=1e-5)


def test_in_order_the_first_stays_and_the_others_lose_what_came_before() -> None:
    before = overlapping(AT, 4)
    after = orthogonalised(*before)
    torch.testing.assert_close(after[0].vector, before[0].vector)
    for number in range(1, 4):
        v = np.stack([each.vector.double().numpy() for each in before[:number]], axis=1)
        given_vector = before[number].vector.double().numpy()
        rest = given_vector - v @ np.linalg.lstsq(v, given_vector, rcond=None)[0]
        np.testing.assert_allclose(after[number].vector.numpy(), rest, rtol=1e-3, atol=1e-4)
    assert "orthogonalised(" in after[1].provenance.method


def test_symmetrically_no_order_counts_and_it_is_loewdins_formula() -> None:
    before = overlapping(AT, 3)
    after = orthogonalised(*before, symmetric=True)
    turned = orthogonalised(*before[::-1], symmetric=True)[::-1]
    for one, other in zip(after, turned, strict=True):
        torch.testing.assert_close(one.vector, other.vector, rtol=1e-4, atol=1e-3)
    units = np.stack([each.unit.vector.double().numpy() for each in before], axis=1)
    values, vectors = np.linalg.eigh(units.T @ units)
    expected = units @ (vectors / np.sqrt(values)) @ vectors.T
    for number, each in enumerate(after):
        np.testing.assert_allclose(each.unit.vector.numpy(), expected[:, number], atol=1e-5)


def test_what_is_orthogonal_stays() -> None:
    given_vectors = [replace(direction(MODEL, AT), vector=row) for row in 3 * torch.eye(32)[:3]]
    for symmetric in (False, True):
        for one, other in zip(
            orthogonalised(*given_vectors, symmetric=symmetric), given_vectors, strict=True
        ):
            torch.testing.assert_close(one.vector, other.vector)
    assert orthogonalised() == ()


def test_what_is_refused() -> None:
    one, other = overlapping(AT, 2)
    for dependent in ((one, -2.0 * one), (one, other, one + other)):
        with pytest.raises(MismatchError, match="linearly dependent"):
            orthogonalised(*dependent)
    with pytest.raises(MismatchError, match="linearly dependent"):
        orthogonalised(*(direction(MODEL, AT, seed) for seed in range(33)))
    with pytest.raises(MismatchError, match="cannot be added"):
        orthogonalised(one, direction(MODEL, "blocks.0.hook_resid_post"))
    with pytest.raises(MismatchError, match="two models"):
        orthogonalised(one, replace(direction(shared_model("bridge", "gpt2"), AT)))
    with pytest.raises(NonFiniteError, match="the zero vector"):
        orthogonalised(one, replace(one, vector=torch.zeros(32)))
