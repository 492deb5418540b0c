import math
from functools import cache
from typing import Any

import pytest
import torch
from activations_of import few_dimensions
from making import SCOPES, direction, generated_by_model, generated_by_us, logits_of, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.directions import TransportMap, linear_transport
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.interventions import check_fits, n_rows, rows
from tl_steer.interventions._protocol import Intervention
from tl_steer.interventions._transport import ApplyTransport

pytestmark = few_dimensions

AT, Z = "blocks.1.hook_resid_post", "blocks.2.attn.hook_z"
TEXTS = ts.ContrastSet(
    ["the film was great", "i loved this bright and good movie", "good music", "a great plot"],
    ["the film was awful", "you hated the dull movie very much", "bad acting", "a bad scene"],
)
EVERYTHING = ts.activations.LeaveOut(bos=False, first=False, massive=None)
EVERY = {"read": ts.activations.EveryToken(), "leave_out": EVERYTHING, "progress": False}


def made_up(model: Any, name: str, *, bound: float = 1.0) -> TransportMap:
    """Of random parts; what is beyond ± `bound` stays as it is."""
    given = direction(model, name)
    slope, intercept = torch.rand(
        2, *given.vector.shape, generator=torch.Generator().manual_seed(1)
    )
    high = torch.full_like(slope, bound)
    return TransportMap(given, 3 * slope, intercept, -high, high)


@cache
def both_places(kind: str, architecture: str = "llama") -> tuple[Any, ts.Steering]:
    model = shared_model(kind, architecture)
    maps = [made_up(model, name, bound=math.inf) for name in (AT, Z)]
    return model, ts.Steering(*(ApplyTransport(each) for each in maps))


def applied(given: TransportMap, acts: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
    return ApplyTransport(given).edit()(acts, torch.tensor([[strength]]), None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", [AT, Z])
def test_it_is_the_affine_map_inside_the_support(name: str, dtype: torch.dtype) -> None:
    given = made_up(shared_model("bridge", "llama"), name)
    acts = torch.randn(2, 3, *given.slope.shape, dtype=dtype)
    found = applied(given, acts, 0.7)
    assert found.dtype == dtype
    h = acts.double()
    within = 0.3 * h + 0.7 * (given.slope.double() * h + given.intercept.double())
    expected = torch.where(h.abs() <= 1, within, h)
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    outside = acts.abs() > 1
    assert 0 < int(outside.sum()) < outside.numel()
    assert torch.equal(found[outside], acts[outside])


def test_strength_runs_straight_from_nothing_to_all_of_it() -> None:
    given = made_up(shared_model("bridge", "llama"), AT)
    acts = torch.randn(2, 3, 32)
    half = (acts + applied(given, acts)) / 2
    torch.testing.assert_close(applied(given, acts, 0.5), half)
    assert torch.equal(applied(given, acts, 0.0), acts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_classes_have_one_mean_and_spread_in_the_steered_model(kind: str) -> None:
    model = shared_model(kind, "llama")
    acts = ts.capture(model, TEXTS, at=[AT, Z], **EVERY)
    for name, fitted in linear_transport(acts).items():
        with ts.steer(model, ApplyTransport(fitted)):
            after = ts.capture(model, TEXTS.negative, at=name, **EVERY)[name].flatten(1)
        before, target = acts.negative(name).flatten(1), acts.positive(name).flatten(1)
        torch.testing.assert_close(after.mean(0), target.mean(0), rtol=1e-3, atol=1e-3)
        assert (before.mean(0) - target.mean(0)).norm() > 0.1
        # Of classes of any shape, a line brings the spread as near as the sorted values correlate.
        gaps = [(each.std(0) / target.std(0)).log().abs().mean() for each in (before, after)]
        assert gaps[1] < gaps[0] / 2
        expected = fitted.slope.flatten() * before.std(0)
        torch.testing.assert_close(after.std(0), expected, rtol=1e-3, atol=1e-4)


def test_what_is_far_from_all_that_was_seen_stays() -> None:
    """An attention sink, say."""
    model = shared_model("bridge", "llama")
    fitted = linear_transport(ts.capture(model, TEXTS, at=AT, **EVERY))[AT]
    far = torch.full((1, 1, 32), 1e4)
    assert torch.equal(applied(fitted, far), far)


def test_it_is_an_intervention_for_any_rows() -> None:
    transport = ApplyTransport(made_up(shared_model("bridge", "llama"), AT))
    assert isinstance(transport, Intervention)
    assert n_rows(transport) is None
    of_rows = ApplyTransport(transport.map, [0.0, 0.5, 1.0])
    assert n_rows(of_rows) == 3
    assert torch.as_tensor(rows(of_rows, [2, 0]).strength).tolist() == [1.0, 0.0]
    assert transport.hook_name == AT


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_has_its_own_strength(kind: str) -> None:
    model = shared_model(kind, "llama")
    given = made_up(model, AT, bound=math.inf)
    strengths = [0.0, 0.5, 1.0]
    with ts.steer(model, ApplyTransport(given, strengths)):
        together = logits_of(model)
    for row, strength in enumerate(strengths):
        with ts.steer(model, ApplyTransport(given, strength)):
            torch.testing.assert_close(together[row], logits_of(model)[row], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_is_nothing(kind: str) -> None:
    model = shared_model(kind, "llama")
    given, before = made_up(model, AT), logits_of(model)
    with ts.steer(model, ApplyTransport(given, 0.0)):
        assert torch.equal(logits_of(model), before)
    with ts.steer(model, ApplyTransport(given, 1.0)):
        assert not torch.equal(logits_of(model), before)
    assert torch.equal(logits_of(model), before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", SCOPES)
def test_neither_cache_nor_batch_matter(kind: str, scope: str) -> None:
    model = shared_model(kind, "llama")
    # Without bounds: at a bound, rounding decides.
    steering = ts.Steering(
        *(
            ApplyTransport(made_up(model, name, bound=math.inf), 0.5, scope=SCOPES[scope][0])
            for name in (AT, Z)
        )
    )
    texts = ("the film was very good", "a movie")
    together = generated_by_us(model, texts, steering)
    for text, expected in zip(texts, together, strict=True):
        assert generated_by_us(model, [text], steering) == [expected]
        with ts.steer(model, steering):
            for cache_used in (True, False):
                found = generated_by_model(
                    model, text, prepend_bos=False, use_past_kv_cache=cache_used
                )
                assert found == [expected]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_the_rows_beside(kind: str) -> None:
    model, steering = both_places(kind)
    with ts.steer(model, steering):
        together = logits_of(model)
        alone = logits_of(model, ["i loved it so much and the plot"])
    torch.testing.assert_close(together[2], alone[0], rtol=1e-4, atol=1e-4)


def test_what_it_was_not_fitted_to_is_refused() -> None:
    model, other = shared_model("bridge", "llama"), shared_model("bridge", "gpt2")
    transport = ApplyTransport(made_up(model, AT))
    check_fits(transport, model)
    with pytest.raises(MismatchError, match="read from another model"):
        ts.steer(other, transport)


@pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf])
def test_a_strength_that_is_not_finite_is_refused(strength: float) -> None:
    with pytest.raises(NonFiniteError, match=r"expected a strength, got .* is not finite"):
        ApplyTransport(made_up(shared_model("bridge", "llama"), AT), strength)


def test_a_scope_that_is_none_is_refused() -> None:
    given = made_up(shared_model("bridge", "llama"), AT)
    with pytest.raises(SteerError, match="step"):
        ApplyTransport(given, scope=slice(0, 4, 2))
    assert ApplyTransport(given, scope=slice(0, 4)).scope == ts.Positions(0, 4)
