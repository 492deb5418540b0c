import dataclasses
import math
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from models import KINDS, hf_llama, small_model, tokenizer

import tl_steer as ts
from tl_steer.directions._provenance import Provenance
from tl_steer.errors import MismatchError, NonFiniteError
from tl_steer.lens.loading import wrap
from tl_steer.lens.protocol import ModelInfo, model_info

AT = "blocks.1.hook_resid_post"
INFO = ModelInfo("small-llama", 4, 32, "raw")
cached_model = cache(small_model)
NUMBERS = st.floats(-8, 8, width=32)
VECTORS = st.lists(NUMBERS, min_size=4, max_size=4)
fast = settings(deadline=None, max_examples=60)


def direction(
    vector: Any, *, at: str = AT, scale: float = 2.0, info: ModelInfo = INFO, method: str = "made"
) -> ts.Direction:
    return ts.Direction(
        torch.as_tensor(vector, dtype=torch.float32), at, scale, Provenance(info, method)
    )


def random_direction(seed: int, *shape: int, **options: Any) -> ts.Direction:
    return direction(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), **options)


def close(one: ts.Direction, other: ts.Direction) -> None:
    torch.testing.assert_close(one.vector, other.vector, rtol=1e-5, atol=1e-4)


@fast
@given(VECTORS, VECTORS, VECTORS, NUMBERS)
def test_directions_form_a_vector_space(u: Any, v: Any, w: Any, a: float) -> None:
    d, e, f = direction(u), direction(v), direction(w)
    close(d + e, e + d)
    close((d + e) + f, d + (e + f))
    close(d - e, d + -e)
    close(a * (d + e), a * d + a * e)
    close(-d, -1 * d)
    close(d + -d, 0 * d)
    close(d - d, 0.0 * d)
    close(d * a, a * d)
    assert torch.equal((2 * d).vector, d.vector * 2)
    assert torch.equal((d / 4).vector, d.vector / 4)


@fast
@given(VECTORS, VECTORS, st.floats(0.01, 100))
def test_a_cosine_is_an_angle(u: Any, v: Any, a: float) -> None:
    d, e = direction(u), direction(v)
    assume(min(d.norm, e.norm) > 1e-3)
    expected = torch.nn.functional.cosine_similarity(d.vector.double(), e.vector.double(), dim=0)
    assert d.cosine(e) == pytest.approx(float(expected), abs=1e-5)
    assert -1 <= d.cosine(e) <= 1
    assert d.cosine(d) == pytest.approx(1, abs=1e-6)
    assert d.cosine(-d) == pytest.approx(-1, abs=1e-6)
    assert (a * d).cosine(e) == pytest.approx(d.cosine(e), abs=1e-5)
    assert d.unit.norm == pytest.approx(1, abs=1e-6)


@fast
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_what_is_orthogonal_has_nothing_of_the_others(seed: int, n_others: int) -> None:
    d, *others = (random_direction(10 * seed + i, 16) for i in range(n_others + 1))
    rest = d.orthogonal_to(*others)
    for other in others:
        assert abs(rest.cosine(other)) < 1e-5
    close(rest.orthogonal_to(*others), rest)
    # It is the nearest such vector: what was taken off lies in their span.
    basis = torch.stack([other.vector for other in others], dim=1).double()
    off = (d - rest).vector.double()
    residual = off - basis @ torch.linalg.lstsq(basis, off[:, None]).solution[:, 0]
    assert residual.norm() < 1e-5


@fast
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_parallel_others_take_off_one_dimension(seed: int, factor: float) -> None:
    d, other = random_direction(seed, 16), random_direction(seed + 1, 16)
    expected = d.orthogonal_to(other)
    close(d.orthogonal_to(other, factor * other, -other), expected)


def test_orthogonal_to_nothing_is_itself() -> None:
    d = random_direction(0, 4, 8)
    assert torch.equal(d.orthogonal_to().vector, d.vector)


def test_heads_keep_their_axes() -> None:
    at = "blocks.1.attn.hook_z"
    d, e = random_direction(0, 4, 8, at=at), random_direction(1, 4, 8, at=at)
    for made in (d + e, 2 * d, d.unit, d.orthogonal_to(e), d.random_like(3)):
        assert made.vector.shape == (4, 8)
    assert abs(d.orthogonal_to(e).cosine(e)) < 1e-5


@fast
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_dose_and_strength_are_inverse(norm: float, scale: float, strength: float) -> None:
    d = direction([norm, 0, 0, 0], scale=scale)
    assert d.dose() == pytest.approx(norm / scale, rel=1e-5)
    dose = d.dose(strength)
    assert dose == pytest.approx(abs(strength) * norm / scale, rel=1e-5)
    assert d.strength_for(dose=dose) == pytest.approx(abs(strength), rel=1e-5)


def test_a_dose_needs_a_norm() -> None:
    with pytest.raises(NonFiniteError, match=f"{AT}: .*norm, which this direction does not know"):
        direction([1, 0], scale=0.0).dose()
    with pytest.raises(NonFiniteError, match=f"{AT}: the zero vector"):
        direction([0, 0]).strength_for(dose=0.1)
    assert direction([0, 0]).dose(3.0) == 0


def test_random_like_has_the_norm_and_belongs_to_its_seed() -> None:
    d = random_direction(0, 32)
    before = torch.get_rng_state()
    one, same, other = d.random_like(1), d.random_like(1), d.random_like(2)
    assert torch.equal(one.vector, same.vector)
    assert torch.equal(torch.get_rng_state(), before)
    assert abs(one.cosine(other)) < 0.6
    assert [each.norm for each in (one, other)] == pytest.approx([d.norm] * 2, rel=1e-5)
    assert (one.hook_name, one.scale) == (d.hook_name, d.scale)
    assert one.provenance.method == "random (seed 1)"


def test_a_direction_does_not_change() -> None:
    source = torch.ones(4, requires_grad=True)
    d = ts.Direction(source, AT, 1.0, Provenance(INFO, "made"))
    with torch.no_grad():
        source += 1
    assert d.vector.tolist() == [1.0] * 4
    assert not d.vector.requires_grad
    before = d.vector.clone()
    for made in (2 * d, -d, d + d, d.unit, d.random_like(0), d.orthogonal_to(d)):
        made.vector.add_(1)
    assert torch.equal(d.vector, before)
    for field in ("vector", "hook_name", "scale", "provenance"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(d, field, None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_comes_to_rest_as_float32(dtype: torch.dtype) -> None:
    d = ts.Direction(torch.ones(4, dtype=dtype), AT, 1.0, Provenance(INFO, "made"))
    assert d.vector.dtype == torch.float32
    assert d.vector.device.type == "cpu"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_with_its_hook_point(bad: float) -> None:
    with pytest.raises(NonFiniteError, match=f"{AT}: 1 numbers of the direction are NaN"):
        direction([1.0, bad])
    with pytest.raises(NonFiniteError, match=f"{AT}: expected the norm of activations"):
        direction([1.0, 2.0], scale=bad)
    with pytest.raises(NonFiniteError, match=r"expected a number, got .* is not finite"):
        direction([1.0, 2.0]) * bad
    with pytest.raises(NonFiniteError, match="expected the norm of activations"):
        direction([1.0], scale=-1.0)
    with pytest.raises(NonFiniteError, match="the zero vector has no direction"):
        _ = direction([0.0, 0.0]).unit


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (direction([1, 2], at="blocks.2.hook_resid_post"), "blocks.2.hook_resid_post cannot be a"),
        (direction([1, 2, 3]), f"{AT} has 2 numbers and {AT} 3"),
        (direction([1, 2], info=dataclasses.replace(INFO, name="gpt2")), "name is 'small-llama'"),
        (direction([1, 2], info=dataclasses.replace(INFO, processing="weights centred")),
         "processing is 'raw', not 'weights centred'"),
    ],
)  # fmt: skip
def test_what_was_read_elsewhere_is_not_added(other: ts.Direction, words: str) -> None:
    d = direction([3, 4])
    for combine in (d.__add__, d.__sub__):
        with pytest.raises(MismatchError, match=words):
            combine(other)


def test_an_angle_needs_one_width() -> None:
    d = direction([3, 4])
    for ask in (d.cosine, d.orthogonal_to):
        with pytest.raises(MismatchError, match="they must be equal"):
            ask(direction([1, 2, 3]))
    assert d.cosine(direction([4, 3], at="blocks.2.hook_mlp_out")) == pytest.approx(24 / 25)


def test_arithmetic_says_what_was_done() -> None:
    d, e = direction([1, 2], method="mean difference"), direction([2, 1], method="probe")
    assert (2.5 * d).provenance.method == "2.5 * (mean difference)"
    assert (d + e).provenance.method == "(mean difference) + (probe)"
    assert (d - e).provenance.method == "(mean difference) + (-(probe))"
    assert d.unit.provenance.method == "unit(mean difference)"


@pytest.mark.parametrize("kind", KINDS)
def test_a_direction_fits_where_it_was_read(kind: str) -> None:
    model = cached_model(kind)
    random_direction(0, 32, info=model_info(model)).check_fits(model)
    z = random_direction(0, 4, 8, info=model_info(model), at="blocks.1.attn.hook_z")
    z.check_fits(model)
    z.check_fits(model, at="blocks.3.attn.hook_z")


@pytest.mark.parametrize(
    ("change", "shape", "at", "words"),
    [
        ({"name": "gpt2"}, (32,), None, "name is 'gpt2', not 'small-llama'"),
        ({"d_model": 48}, (48,), None, "d_model is 48, not 32"),
        ({"n_layers": 12}, (32,), None, "n_layers is 12, not 4"),
        ({"processing": "layer norm folded"}, (32,), None,
         "processing is 'layer norm folded', not 'raw'"),
        ({}, (31,), None, f"{AT} has 32 numbers a token; this direction has 31"),
        ({}, (32,), "blocks.1.attn.hook_z", "has 4 × 8 numbers a token; this direction has 32"),
        ({}, (1,), None, "this direction has 1"),
    ],
)  # fmt: skip
def test_a_model_that_it_was_not_made_for_is_refused(
    change: dict[str, Any], shape: tuple[int, ...], at: str | None, words: str
) -> None:
    d = random_direction(0, *shape, info=dataclasses.replace(INFO, **change))
    with pytest.raises(MismatchError, match=words):
        d.check_fits(cached_model("bridge"), at)
    with pytest.raises(MismatchError, match=words):
        ts.steer(cached_model("bridge"), ts.Add(d, at=at))


def test_a_relative_can_adopt_it() -> None:
    model = cached_model("bridge")
    foreign = random_direction(0, 32, info=dataclasses.replace(INFO, name="base"))
    adopted = foreign.adopt(model)
    adopted.check_fits(model)
    assert adopted.provenance.method == "(made) read from base"
    assert torch.equal(adopted.vector, foreign.vector)
    with pytest.raises(MismatchError, match="has 32 numbers a token"):
        random_direction(0, 48, info=dataclasses.replace(INFO, d_model=48)).adopt(model)


def test_dtype_follows_the_model() -> None:
    model: Any = wrap(hf_llama().to(torch.bfloat16), tokenizer(), name="half", device="cpu")
    d = random_direction(0, 32, info=model_info(model))
    tokens = torch.tensor([[5, 6, 7]])
    with ts.steer(model, ts.Add(d, 3.0)):
        logits = model(tokens)
    expected = model.run_with_hooks(
        tokens, fwd_hooks=[(AT, lambda acts, hook: acts + (3.0 * d.vector).bfloat16())]
    )
    assert logits.dtype == torch.bfloat16
    assert torch.equal(logits, expected)
    assert d.vector.dtype == torch.float32


def test_it_reads_in_one_line() -> None:
    origin = Provenance(INFO, "mean difference", data="reviews", n_positive=3, n_negative=4)
    d = ts.Direction(torch.tensor([3.0, 4.0]), AT, 20.0, origin)
    assert repr(d) == (
        f"Direction(mean difference of reviews at {AT}, 2, norm 5 = 25.0% of the activations, "
        "small-llama)"
    )
    assert "norm 5" in repr(direction([3, 4], scale=0.0))
