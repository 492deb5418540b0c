"""KeepNorm, OnHeads and Replace."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from interventions_of import AT, INTERVENTIONS, Z, applied, conceptor, erasure, several, transport
from making import as_users_run_it, direction, logits_of, shared_model

import tl_steer as ts
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.interventions import needs_context
from tl_steer.interventions._ablate import Ablate
from tl_steer.interventions._custom import Custom
from tl_steer.interventions._heads import OnHeads
from tl_steer.interventions._keep_norm import KeepNorm
from tl_steer.interventions._replace import Replace
from tl_steer.interventions._rotate import Rotate
from tl_steer.interventions._set_projection import SetProjection
from tl_steer.interventions._slerp import Slerp
from tl_steer.interventions._steer_conceptor import ApplyConceptor
from tl_steer.interventions._transport import ApplyTransport
from tl_steer.lens.parts import reads_of

MODEL = shared_model("bridge", "llama")
PURE = [what for what in INTERVENTIONS if "custom" not in what]


@pytest.mark.parametrize("what", PURE)
@pytest.mark.parametrize("name", [AT, Z])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_norms_are_kept_and_the_direction_is_that_of_the_other(
    what: str, name: str, dtype: torch.dtype
) -> None:
    inner = INTERVENTIONS[what](MODEL, name)
    acts = torch.randn(2, 3, *direction(MODEL, name).vector.shape).to(dtype)
    found = applied(KeepNorm(inner), acts, 0.6)
    assert found.dtype == dtype
    rounding = 2**-7 if dtype == torch.bfloat16 else 1e-5
    kept, before = (each.double().flatten(2).norm(dim=-1) for each in (found, acts))
    torch.testing.assert_close(kept, before, rtol=rounding, atol=0)
    changed = applied(inner, acts, 0.6).double().flatten(2)
    cosines = torch.nn.functional.cosine_similarity(found.double().flatten(2), changed, dim=-1)
    torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=0, atol=rounding)


def test_a_token_of_which_nothing_is_left_stays_zero() -> None:
    given = direction(MODEL, AT)
    zero = torch.zeros(1, 2, 32)
    gone = Replace(replace(given, vector=torch.zeros(32)))
    assert torch.equal(applied(KeepNorm(gone), torch.randn(1, 2, 32)), zero)
    assert torch.equal(applied(KeepNorm(ts.Add(given)), zero), zero)


def test_what_the_other_leaves_alone_stays_bit_for_bit() -> None:
    given, acts = direction(MODEL, AT), torch.randn(4, 5, 32)
    clamp = SetProjection(given, (-100.0, 100.0))
    assert torch.equal(applied(KeepNorm(clamp), acts), acts)


def test_a_function_that_writes_into_its_input_hides_no_norm() -> None:
    def double(acts: torch.Tensor, context: Any) -> torch.Tensor:
        return acts.mul_(2.0)

    acts = torch.randn(2, 3, 32)
    before = acts.clone()
    torch.testing.assert_close(applied(KeepNorm(Custom(double, AT)), acts), before)


def test_norms_are_kept_in_the_steered_model() -> None:
    keep = KeepNorm(ts.Add(direction(MODEL, AT), 3.0, scope=slice(0, None)))
    with torch.no_grad():
        _, plain = MODEL.run_with_cache("the film was very good", names_filter=[AT])
        with ts.steer(MODEL, keep):
            _, steered = MODEL.run_with_cache("the film was very good", names_filter=[AT])
    assert not torch.allclose(plain[AT], steered[AT])
    torch.testing.assert_close(steered[AT].norm(dim=-1), plain[AT].norm(dim=-1))


@pytest.mark.parametrize("site", ["attn.hook_attn_scores", "attn.hook_pattern"])
def test_attention_has_no_norm(site: str) -> None:
    with pytest.raises(MismatchError, match="no vector a token"):
        KeepNorm(Custom(lambda acts, context: acts, f"blocks.1.{site}"))


def test_what_a_wrapped_intervention_reads_is_read() -> None:
    early = "blocks.0.hook_resid_post"

    def of_before(acts: torch.Tensor, context: Any) -> torch.Tensor:
        return context.read(early)

    custom = Custom(of_before, AT, reads=(early,))
    keep = KeepNorm(custom)
    assert reads_of(keep) == (early,)
    assert needs_context(keep)
    assert not needs_context(KeepNorm(Ablate(direction(MODEL, AT))))
    with torch.no_grad(), ts.steer(MODEL, keep):
        _, cache = MODEL.run_with_cache("a movie", names_filter=[early, AT])
    cosine = torch.nn.functional.cosine_similarity(cache[AT], cache[early], dim=-1)
    torch.testing.assert_close(cosine, torch.ones_like(cosine))


@dataclass(frozen=True, eq=False)
class Twice:
    """A user's own wrapper: it hands on nothing but what every intervention has."""

    intervention: Any

    @property
    def hook_name(self) -> str:
        return str(self.intervention.hook_name)

    @property
    def strength(self) -> Any:
        return self.intervention.strength

    @property
    def scope(self) -> Any:
        return self.intervention.scope

    def edit(self) -> Any:
        inner = self.intervention.edit()
        return lambda acts, strength, context: inner(
            inner(acts, strength, context), strength, context
        )


@dataclass(frozen=True, eq=False)
class But:
    """A user's own scope around another."""

    scope: Any

    def __call__(self, context: Any) -> torch.Tensor:
        return context.real & ~context.mask(self.scope)


@dataclass(frozen=True, eq=False)
class Half:
    """A user's own strength around another."""

    of: Any

    def __call__(self, acts: torch.Tensor, context: Any) -> torch.Tensor:
        found: torch.Tensor = self.of(acts, context)
        return found / 2


def test_a_users_own_wrappers_read_what_theirs_do() -> None:
    early, given = "blocks.0.hook_resid_post", direction(MODEL, AT)
    custom = Custom(lambda acts, context: context.read(early) + acts, AT, reads=(early,))
    condition = ts.scopes.ProjectionAbove(direction(MODEL, early), above=0.0)
    gated = ts.strengths.ProbeGated(1.0, direction(MODEL, early), full_at=-1.0, none_at=1.0)
    for mine in (
        Twice(custom),
        ts.Add(given, scope=But(condition)),
        ts.Add(given, Half(gated)),
        Twice(KeepNorm(ts.Add(given, Half(gated), scope=But(ts.scopes.Not(condition))))),
    ):
        with torch.no_grad(), ts.steer(MODEL, mine):
            steered = MODEL("a movie was very good")
        assert not torch.allclose(steered, logits_of(MODEL, ["a movie was very good"]))


def test_a_users_own_wrappers_refuse_what_theirs_do() -> None:
    wide, given = direction(shared_model("bridge", "gpt2"), AT), direction(MODEL, AT)
    condition = ts.scopes.ProjectionAbove(wide, above=0.0)
    gated = ts.strengths.ProbeGated(1.0, wide, full_at=-1.0, none_at=1.0)
    for mine in (
        Twice(ts.Add(wide)),
        ts.Add(given, scope=But(condition)),
        ts.Add(given, Half(gated)),
        ts.Add(given, ts.strengths.HoldProjection(given, 1.0, integral=0.1, over=condition)),
    ):
        with pytest.raises(MismatchError, match="read from another model"):
            ts.Steering(mine).check_fits(MODEL)


def on_one_head(make: Any, head: int, acts: torch.Tensor) -> torch.Tensor:
    """The same map of that head's part of the vectors, as if the head were the residual stream."""
    parts = [replace(each, vector=each.vector[head], hook_name=AT) for each in several(MODEL, Z)]
    return applied(make(*parts), acts[:, :, head], 0.6)


PER_HEAD = {
    "add": lambda v, w: ts.Add(v),
    "ablate": lambda v, w: Ablate(v),
    "ablate a subspace": lambda v, w: Ablate([v, w]),
    "set": lambda v, w: SetProjection(v, 2.0),
    "rotate": lambda v, w: Rotate(v, w, 70.0),
    "slerp": lambda v, w: Slerp(v),
    "replace": lambda v, w: Replace(v),
    "keep norm": lambda v, w: KeepNorm(ts.Add(v)),
}


@pytest.mark.parametrize("what", PER_HEAD)
@pytest.mark.parametrize("heads", [[1], [3, 0]])
def test_each_head_is_changed_by_itself_and_the_others_not_at_all(
    what: str, heads: list[int]
) -> None:
    acts = torch.randn(2, 3, 4, 8)
    found = applied(OnHeads(PER_HEAD[what](*several(MODEL, Z)), heads), acts, 0.6)
    for head in range(4):
        if head in heads:
            assert torch.equal(found[:, :, head], on_one_head(PER_HEAD[what], head, acts))
        else:
            assert torch.equal(found[:, :, head], acts[:, :, head])


def test_together_they_are_another_map() -> None:
    given, acts = direction(MODEL, Z), torch.randn(2, 3, 4, 8)
    every = applied(OnHeads(Ablate(given), range(4)), acts)
    together = applied(Ablate(given), acts)
    per_head = (every * given.vector).sum(-1)
    torch.testing.assert_close(per_head, torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    assert (together * given.vector).sum(-1).abs().max() > 0.01
    some = ts.directions.select_heads(given, [2])
    found = applied(Ablate(some), acts)
    torch.testing.assert_close(found, applied(OnHeads(Ablate(given), [2]), acts))


def test_a_transport_of_units_knows_no_heads() -> None:
    given, acts = ApplyTransport(transport(MODEL, Z)), torch.randn(2, 3, 4, 8)
    found = applied(OnHeads(given, range(4)), acts, 0.6)
    torch.testing.assert_close(found, applied(given, acts, 0.6))


def test_heads_that_are_none_are_refused() -> None:
    given, inner = direction(MODEL, Z), Ablate(direction(MODEL, Z))
    for heads in ([], [1, 1], [-1]):
        with pytest.raises(MismatchError, match="numbers of heads, from 0, each once"):
            OnHeads(inner, heads)
    with pytest.raises(MismatchError, match="no head 4 in a direction of shape"):
        OnHeads(inner, [4])
    with pytest.raises(MismatchError, match="no head 9; this model has heads 0 to 3"):
        ts.steer(MODEL, OnHeads(Custom(lambda acts, context: acts, Z), [9]))
    with pytest.raises(MismatchError, match="has no heads"):
        OnHeads(Ablate(direction(MODEL, AT)), [0])
    for fitted in (ApplyConceptor(conceptor(MODEL, Z)), ts.interventions.Erase(erasure(MODEL, Z))):
        with pytest.raises(MismatchError, match="fitted on all heads together"):
            OnHeads(fitted, [0])
    with pytest.raises(NonFiniteError, match="the zero vector"):
        OnHeads(Ablate(ts.directions.select_heads(given, [1])), [2])


@settings(deadline=None, max_examples=20, derandomize=True)
@given(share=st.floats(-2, 2), seed=st.integers(0, 100))
def test_replacement_goes_to_the_stored_activation(share: float, seed: int) -> None:
    stored = direction(MODEL, AT, seed)
    acts = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(seed))
    found = applied(Replace(stored), acts, share)
    torch.testing.assert_close(found, acts + share * (stored.vector - acts), atol=1e-5, rtol=1e-5)
    assert torch.equal(applied(Replace(stored), acts), stored.vector.expand(2, 3, 32))


def test_replacement_with_what_stood_there_is_nothing() -> None:
    with torch.no_grad():
        _, cache = MODEL.run_with_cache("a movie", prepend_bos=False, names_filter=[AT])
    kept = replace(direction(MODEL, AT), vector=cache[AT][0, 1])
    unsteered = logits_of(MODEL, ["a movie"])
    with ts.steer(MODEL, Replace(kept, scope=slice(1, 2))):
        torch.testing.assert_close(logits_of(MODEL, ["a movie"]), unsteered)
    with ts.steer(MODEL, Replace(kept, scope=slice(0, 1))):
        assert not torch.allclose(logits_of(MODEL, ["a movie"]), unsteered)


@pytest.mark.parametrize("wrap", [KeepNorm, lambda what: OnHeads(what, [0])])
def test_what_is_wrapped_is_an_intervention(wrap: Any) -> None:
    with as_users_run_it(), pytest.raises(SteerError, match="expected an intervention, got 'add'"):
        wrap("add")
