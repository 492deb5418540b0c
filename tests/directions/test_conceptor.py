"""Conceptors: the formula, the laws of AND, OR and NOT, and steering with them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from activations_of import AT, INFO, Z, activations_of, few_dimensions, moments_of, two_classes
from hypothesis import given, settings, strategies as st
from making import shared_model

import tl_steer as ts
from tl_steer.directions._conceptor import Conceptor, conceptors
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.interventions import ApplyConceptor, KeepNorm

pytestmark = few_dimensions

D = 8
seeds = st.integers(0, 10_000)
quick = settings(deadline=None, max_examples=25, derandomize=True)


def correlation(seed: int, rank: int = D) -> Any:
    states = np.random.default_rng(seed).normal(size=(rank, D))
    return states.T @ states / rank


def of(r: Any, aperture: float = 1.0) -> Conceptor:
    matrix = r @ np.linalg.inv(r + aperture**-2 * np.eye(D))
    return made((matrix + matrix.T) / 2)


def made(matrix: Any, **changes: Any) -> Conceptor:
    fields = {"hook_name": AT, "site_shape": (D,), "provenance": Provenance(INFO, "made up")}
    return Conceptor(torch.as_tensor(matrix), **{**fields, **changes})


def onto(seed: int, rank: int) -> Any:
    """A projection onto a random subspace, and its basis."""
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(D, rank)))[0]
    return basis @ basis.T, basis


def close(one: Any, other: Any, atol: float = 1e-7) -> None:
    one, other = (each.matrix.numpy() if isinstance(each, Conceptor) else each
                  for each in (one, other))  # fmt: skip
    np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@pytest.mark.parametrize("name", [AT, Z])
@pytest.mark.parametrize("aperture", [0.1, 1.0, 10.0])
def test_it_is_the_formula(name: str, aperture: float) -> None:
    shape = (D,) if name == AT else (2, 4)
    positive, negative = two_classes(*shape)
    acts = activations_of(positive, negative, at=name)
    for from_what in (acts, moments_of(acts)):
        both = conceptors(from_what, aperture=aperture)[name]
        for found, states in ((both.positive, positive), (both.negative, negative)):
            x = states.flatten(1).double().numpy()
            r = x.T @ x / len(x)
            close(found, r @ np.linalg.inv(r + aperture**-2 * np.eye(D)))
            assert found.quota == pytest.approx(np.trace(found.matrix.numpy()) / D)
            assert found.site_shape == shape
    assert both.positive.provenance.n_positive == 40
    assert "positive class, aperture" in repr(both.positive)


@quick
@given(one=seeds, other=seeds, aperture=st.floats(0.2, 5))
def test_or_is_the_conceptor_of_both_classes_activations(
    one: int, other: int, aperture: float
) -> None:
    """Jaeger's definition: the sum of the correlation matrices."""
    r, q = correlation(one), correlation(other)
    close(of(r, aperture) | of(q, aperture), of(r + q, aperture))


@quick
@given(one=seeds, other=seeds)
def test_and_is_the_formula_where_it_can_be_inverted(one: int, other: int) -> None:
    c, b = of(correlation(one)), of(correlation(other))
    inverses = [np.linalg.inv(each.matrix.numpy()) for each in (c, b)]
    close(c & b, np.linalg.inv(inverses[0] + inverses[1] - np.eye(D)), atol=1e-5)


@quick
@given(one=seeds, other=seeds, rank=st.integers(1, D))
def test_the_laws(one: int, other: int, rank: int) -> None:
    c, b = of(correlation(one, rank)), of(correlation(other))
    close(~~c, c)
    close(c & b, b & c)
    close(c | b, b | c)
    close(~(c & b), ~c | ~b)
    close(~(c | b), ~c & ~b)
    everything, nothing = made(np.eye(D)), made(np.zeros((D, D)))
    close(c & everything, c)
    close(c | nothing, c)
    close(c & nothing, nothing)
    close(c | everything, everything)
    assert (c & b).quota <= min(c.quota, b.quota) + 1e-9
    assert (c | b).quota >= max(c.quota, b.quota) - 1e-9


@quick
@given(seed=seeds, first=st.integers(1, 4), second=st.integers(1, 4), shared=st.integers(1, 3))
def test_of_subspaces_it_is_their_intersection_and_their_sum(
    seed: int, first: int, second: int, shared: int
) -> None:
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(D, D)))[0]
    common, own, others = np.split(basis[:, : shared + first + second], [shared, shared + first], 1)
    if shared + first + second > D:
        others = basis[:, shared + first :]
    c, b, both = (
        made(part @ part.T)
        for part in (
            np.concatenate([common, own], 1),
            np.concatenate([common, others], 1),
            common,
        )
    )
    close(c & b, both)
    whole = np.concatenate([common, own, others], 1)
    close(c | b, whole @ whole.T)


def test_subspaces_that_share_nothing() -> None:
    (c, _), (b, _) = onto(0, 3), onto(1, 3)
    close(made(c) & made(b), np.zeros((D, D)))


def test_few_texts_and_large_activations_give_conceptors_too() -> None:
    positive, negative = two_classes(32, n=5, m=4)
    # Dimension 3 as in an attention sink.
    positive[:, 3] += 1e4
    both = conceptors(activations_of(positive, negative), aperture=10.0)[AT]
    for each in (both.positive & both.negative, both.positive | ~both.negative, ~both.positive):
        values = torch.linalg.eigvalsh(each.matrix)
        assert values.min() > -1e-9
        assert values.max() < 1 + 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_steering_with_it_is_the_formula(dtype: torch.dtype) -> None:
    c, acts = of(correlation(0)), torch.randn(2, 3, D).to(dtype)
    found = ApplyConceptor(c, beta=1.3).edit()(acts, torch.tensor([[0.7]]), None)
    assert found.dtype == dtype
    h = acts.double().numpy()
    expected = h + 0.7 * (1.3 * h @ c.matrix.numpy() - h)
    rounding = 2**-8 if dtype == torch.bfloat16 else 1e-6
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=rounding, atol=1e-6)
    everything = ApplyConceptor(made(np.eye(D))).edit()(acts, torch.ones(1, 1), None)
    torch.testing.assert_close(everything, acts)


def test_it_takes_from_a_class_what_the_other_lacks_in_the_steered_model() -> None:
    model = shared_model("bridge", "llama")
    texts = ts.ContrastSet(["the film was great", "i loved it"], ["a dull plot", "bad acting"])
    acts = ts.capture(model, texts, at="blocks.1.hook_resid_post", progress=False)
    both = conceptors(acts, aperture=100.0)["blocks.1.hook_resid_post"]
    for keep, loses in ((both.positive, both.negative), (both.negative, both.positive)):
        steering = KeepNorm(ApplyConceptor(keep & ~loses))
        with ts.steer(model, steering):
            model("the film was dull")
    with pytest.raises(MismatchError, match="read from another model"):
        ts.steer(shared_model("bridge", "gpt2"), ApplyConceptor(both.positive))


def test_what_is_refused() -> None:
    c = of(correlation(0))
    for matrix, says in (
        (2 * np.eye(D), "between 0 and 1, got"),
        (-0.1 * np.eye(D), "between 0 and 1, got"),
        (np.triu(np.full((D, D), 0.1)), "symmetric"),
        (np.eye(D + 1), "8 × 8"),
    ):
        with pytest.raises(MismatchError, match=says):
            made(matrix)
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        made(np.full((D, D), math.nan))
    other = made(c.matrix, hook_name="blocks.0.hook_resid_post")
    stranger = made(c.matrix, provenance=Provenance(replace(INFO, name="other"), "made up"))
    for wrong, says in ((other, "cannot be combined"), (stranger, "two models")):
        for combine in (lambda a, b: a & b, lambda a, b: a | b):
            with pytest.raises(MismatchError, match=says):
                combine(c, wrong)
    positive, negative = two_classes(D)
    acts = activations_of(positive, negative)
    for aperture in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(SteerError, match="a number over 0, such as 10"):
            conceptors(acts, aperture=aperture)
    with pytest.raises(DataError, match="compares two classes"):
        conceptors(activations_of(positive, negative[:0]))
    with pytest.raises(NonFiniteError, match="beta=nan"):
        ApplyConceptor(c, beta=math.nan)
