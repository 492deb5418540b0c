"""Rotate and Slerp: against matrices of rotation, and the norms that they keep."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from interventions_of import AT, Z, applied, several
from making import direction, shared_model

from tl_steer.errors import MismatchError, NonFiniteError
from tl_steer.interventions._rotate import Rotate
from tl_steer.interventions._slerp import Slerp

MODEL = shared_model("bridge", "llama")
places = pytest.mark.parametrize("name", [AT, Z])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
quick = settings(deadline=None, max_examples=20, derandomize=True)


def states(name: str, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    shape = direction(MODEL, name).vector.shape
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(2, 3, *shape, generator=generator)).to(dtype)


def check(found: torch.Tensor, expected: np.ndarray, dtype: torch.dtype) -> None:
    assert found.dtype == dtype
    rounding = 2**-8 if dtype == torch.bfloat16 else 1e-5
    np.testing.assert_allclose(
        found.double().flatten(2).numpy(), expected, rtol=rounding, atol=1e-5
    )


def plane_of(rotate: Rotate) -> np.ndarray:
    """Orthonormal columns, by numpy's own QR decomposition."""
    both = [each.vector.flatten().double().numpy() for each in (rotate.toward, rotate.plane)]
    q, r = np.linalg.qr(np.stack(both, axis=1))
    return q * np.sign(np.diag(r))


@places
@dtypes
@pytest.mark.parametrize("degrees", [0.0, 30.0, 180.0, 250.0, -30.0])
def test_every_token_comes_to_the_angle(name: str, dtype: torch.dtype, degrees: float) -> None:
    rotate, acts = Rotate(*several(MODEL, name), degrees), states(name, dtype)
    h, b = acts.double().flatten(2).numpy(), plane_of(rotate)
    theta = math.radians(degrees)
    turn = np.array([[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]])
    inside = h @ b @ b.T
    size = np.linalg.norm(inside, axis=-1, keepdims=True)
    expected = h - inside + size * (b @ turn @ np.array([1.0, 0.0]))
    check(applied(rotate, acts), expected, dtype)
    adaptive = np.where(h @ b[:, :1] > 0, expected, h)
    assert not np.array_equal(adaptive, expected)
    check(applied(replace(rotate, adaptive=True), acts), adaptive, dtype)


@quick
@given(st.floats(-720, 720), st.floats(-2, 3), st.integers(0, 1000))
def test_rotations_keep_norms_and_what_is_outside(
    degrees: float, strength: float, seed: int
) -> None:
    rotate, acts = Rotate(*several(MODEL, AT), degrees), states(AT, seed=seed)
    found = applied(rotate, acts, strength)
    torch.testing.assert_close(found.norm(dim=-1), acts.norm(dim=-1), rtol=1e-5, atol=1e-5)
    first, second = rotate.basis
    for basis in (first, second):
        found, acts = (each - (each @ basis)[..., None] * basis for each in (found, acts))
    torch.testing.assert_close(found, acts, rtol=1e-4, atol=1e-4)


def test_half_of_a_turn_is_half_of_the_angle_the_shorter_way() -> None:
    rotate = Rotate(*several(MODEL, AT), 170.0)
    first, second = rotate.basis

    def at(degrees: float) -> torch.Tensor:
        angle = math.radians(degrees)
        return (2 * math.cos(angle) * first + 2 * math.sin(angle) * second).view(1, 1, -1)

    for start, half in ((10.0, 90.0), (-100.0, -145.0), (170.0, 170.0)):
        torch.testing.assert_close(applied(rotate, at(start), 0.5), at(half), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(applied(rotate, at(-100.0)), at(170.0), rtol=1e-4, atol=1e-5)


def test_a_token_outside_the_plane_stays() -> None:
    rotate = Rotate(*several(MODEL, AT), 90.0)
    zero = torch.zeros(1, 2, 32)
    assert torch.equal(applied(rotate, zero), zero)


def test_what_a_plane_is_not() -> None:
    one, other = several(MODEL, AT)
    for parallel in (one, -2.0 * one):
        with pytest.raises(MismatchError, match=f"{AT}: the two directions are parallel"):
            Rotate(one, parallel)
    zero = replace(one, vector=torch.zeros(32))
    for pair in ((one, zero), (zero, one)):
        with pytest.raises(NonFiniteError, match="the zero vector"):
            Rotate(*pair)
    with pytest.raises(NonFiniteError, match=r"degrees=nan.: .* not finite"):
        Rotate(one, other, math.nan)
    with pytest.raises(MismatchError, match="2 hook points"):
        Rotate(one, direction(MODEL, "blocks.0.hook_resid_post"))
    with pytest.raises(NonFiniteError, match="the zero vector"):
        Slerp(zero)


@places
@dtypes
@pytest.mark.parametrize("share", [0.25, 1.0, -0.5, 1.5])
def test_slerp_is_the_formula_of_shoemake(name: str, dtype: torch.dtype, share: float) -> None:
    given, acts = direction(MODEL, name), states(name, dtype)
    h = acts.double().flatten(2).numpy()
    v = given.vector.flatten().double().numpy()
    v /= np.linalg.norm(v)
    size = np.linalg.norm(h, axis=-1, keepdims=True)
    omega = np.arccos((h / size) @ v)[..., None]
    weights = np.sin((1 - share) * omega), np.sin(share * omega)
    expected = size * (weights[0] * h / size + weights[1] * v) / np.sin(omega)
    check(applied(Slerp(given), acts, share), expected, dtype)


@quick
@given(st.floats(-2, 2), st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_slerp_keeps_norms_and_turns_by_its_share(share: float, seed: int, size: float) -> None:
    given, acts = direction(MODEL, AT), size * states(AT, seed=seed)
    found = applied(Slerp(given), acts, share)
    torch.testing.assert_close(found.norm(dim=-1), acts.norm(dim=-1), rtol=1e-5, atol=0)
    cosines = torch.nn.functional.cosine_similarity(acts, given.vector, dim=-1)
    turned = torch.nn.functional.cosine_similarity(acts, found, dim=-1).clamp(-1, 1).acos()
    torch.testing.assert_close(turned.cos(), (share * cosines.acos()).cos(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_slerp_without_a_way(share: float) -> None:
    given = direction(MODEL, AT)
    v = given.vector
    lost = torch.stack([torch.zeros(32), 3 * v, -3 * v, 1e-30 * v, -v / v.norm()])[None]
    assert torch.equal(applied(Slerp(given), lost, share), lost)


@pytest.mark.parametrize("apart", [1e-8, 1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("sign", [1, -1])
def test_slerp_near_its_ends_is_finite_and_keeps_norms(apart: float, sign: int) -> None:
    given = direction(MODEL, AT)
    acts = (sign * given.vector + apart * torch.randn(4, 3, 32)) * 7
    for share in (0.1, 0.5, 1.0):
        found = applied(Slerp(given), acts, share)
        torch.testing.assert_close(found.norm(dim=-1), acts.norm(dim=-1), rtol=1e-5, atol=0)
