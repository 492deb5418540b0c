"""Semantic adaptation, against running means written out by hand."""

from typing import Any

import pytest
import torch
from activations_of import AT, activations_of, moments_of, two_classes
from making import direction, greedy, logits_of
from passes import split, steps, whole

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.strengths._probe_gated import ProbeGated
from tl_steer.strengths._schedules import LinearDecay

SITE = "blocks.1.hook_resid_post"
PROMPTS, WRITTEN = [4, 1, 2], 6


def by_hand(
    rows: torch.Tensor, strength: ProbeGated, context: Any, massive: float, over: Any
) -> torch.Tensor:
    unit = strength.probe.vector / strength.probe.norm
    found = torch.zeros(rows.shape[:2])
    for row in range(len(rows)):
        seen: list[float] = []
        for column in range(rows.shape[1]):
            position = int(context.positions[row, column])
            here = rows[row, column]
            written = position >= PROMPTS[row]
            if over(position, written) and float(here.norm()) <= massive:
                seen.append(float(here @ unit))
            mean = sum(seen) / len(seen) if seen else strength.full_at
            share = (mean - strength.none_at) / (strength.full_at - strength.none_at)
            if position >= 0:
                found[row, column] = 1.5 * min(max(share, 0.0), 1.0)
    return found


@pytest.mark.parametrize("ends", [(-0.4, 0.4), (0.3, -0.5)], ids=str)
@pytest.mark.parametrize("written", [False, True], ids=["all but the first", "written"])
@pytest.mark.parametrize("massive", [None, 1.1])
def test_the_strength_follows_the_running_mean(
    model: Any, ends: tuple[float, float], written: bool, massive: float | None
) -> None:
    probe = direction(model, SITE)
    context = whole(PROMPTS, WRITTEN)
    generator = torch.Generator().manual_seed(2)
    # Of norms about 6, where the probe knows of 3.
    acts = torch.randn(*context.positions.shape, 32, generator=generator)
    acts[1, 6] *= 100
    scope: dict[str, Any] = {"over": ts.generated} if written else {}
    probe = ts.Direction(probe.vector, SITE, 6.0, probe.provenance)
    strength = ProbeGated(1.5, probe, full_at=ends[0], none_at=ends[1], massive=massive, **scope)
    over = (lambda p, w: w) if written else (lambda p, w: p >= 1)
    limit = float("inf") if massive is None else massive * 6.0
    expected = by_hand(acts, strength, context, limit, over)
    assert 0.1 < float((expected == 1.5).float().mean()) < 0.9
    # What is about to be changed is something else.
    changed = torch.full_like(acts, 7.0)
    context.keep(SITE, acts)
    found = torch.where(context.real, strength(changed, context), 0.0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    contexts = steps(PROMPTS, WRITTEN)
    for each, part, wanted in zip(
        contexts, split(acts, contexts), split(expected, contexts), strict=True
    ):
        each.keep(SITE, part)
        found = torch.where(each.real, strength(part, each), 0.0)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kept", [lambda a: a, moments_of], ids=["vectors", "moments"])
def test_ends_are_the_means_of_the_classes(kept: Any) -> None:
    positive, negative = two_classes(32)
    activations = kept(activations_of(positive, negative))
    along = ts.mean_difference(activations)[AT]
    unit = along.vector / along.norm
    fitted = ProbeGated.fit(2.0, along, activations)
    assert fitted.full_at == pytest.approx(float((negative @ unit).mean()), rel=1e-5)
    assert fitted.none_at == pytest.approx(float((positive @ unit).mean()), rel=1e-5)
    turned = ProbeGated.fit(-2.0, along, activations, towards_negative=True)
    assert (turned.full_at, turned.none_at) == (fitted.none_at, fitted.full_at)


def test_a_text_that_has_it_gets_nothing_and_one_that_lacks_it_all(model: Any) -> None:
    probe = direction(model, "blocks.0.hook_resid_post")
    add = direction(model, SITE)
    plain = logits_of(model)
    with ts.steer(model, ts.Add(add, 1.5, scope=slice(0, None))):
        full = logits_of(model)
    for ends, expected in [((-2000.0, -1000.0), plain), ((1000.0, 2000.0), full)]:
        strength = ProbeGated(1.5, probe, full_at=ends[0], none_at=ends[1], over=slice(0, None))
        with ts.steer(model, ts.Add(add, strength)):
            torch.testing.assert_close(logits_of(model), expected, atol=1e-5, rtol=0)


def test_what_it_reads_and_hands_on(model: Any) -> None:
    probe = direction(model, "blocks.0.hook_resid_post")
    inner = ProbeGated([1.0, 2.0], direction(model, SITE), full_at=0.0, none_at=1.0)
    outer = ProbeGated(inner, probe, full_at=0.0, none_at=1.0)
    assert outer.reads == ("blocks.0.hook_resid_post", SITE)
    assert outer.n_rows == 2
    assert outer.rows([1]).n_rows == 1
    assert ProbeGated(LinearDecay(2), probe, full_at=0.0, none_at=1.0).n_rows is None


def test_a_probe_behind_what_is_changed_is_refused(model: Any) -> None:
    probe = direction(model, SITE)
    early = ts.Add(
        direction(model, "blocks.0.hook_resid_post"),
        ProbeGated(1.0, probe, full_at=0.0, none_at=1.0),
    )
    with pytest.raises(MismatchError, match="comes later in the pass"):
        ts.steer(model, early)
    own = ts.Add(probe, ProbeGated(1.0, probe, full_at=0.0, none_at=1.0))
    assert greedy(model, "a movie", ts.Steering(own)).frame["tokens"][0]


def test_what_is_refused(model: Any) -> None:
    probe = direction(model, SITE)
    ends = {"full_at": 0.0, "none_at": 1.0}
    with pytest.raises(NonFiniteError, match="zero vector"):
        ProbeGated(1.0, probe * 0.0, **ends)
    with pytest.raises(NonFiniteError, match="none_at=inf"):
        ProbeGated(1.0, probe, full_at=0.0, none_at=float("inf"))
    with pytest.raises(SteerError, match="Give two different numbers"):
        ProbeGated(1.0, probe, full_at=1.0, none_at=1.0)
    with pytest.raises(NonFiniteError, match="not finite"):
        ProbeGated(float("nan"), probe, **ends)
    with pytest.raises(SteerError, match=r"massive over 1, .* got 0.5"):
        ProbeGated(1.0, probe, massive=0.5, **ends)
    unknown = ts.Direction(probe.vector, SITE, 0.0, probe.provenance)
    with pytest.raises(MismatchError, match="massive=None"):
        ts.steer(model, ts.Add(probe, ProbeGated(1.0, unknown, **ends)))
    activations = activations_of(*two_classes(32))
    along = ts.mean_difference(activations)[AT]
    with pytest.raises(HookNameError, match="was not captured"):
        ProbeGated.fit(
            1.0,
            ts.Direction(along.vector, "blocks.2.hook_mlp_out", 1.0, along.provenance),
            activations,
        )
    same = activations_of(activations.positive(AT), activations.positive(AT))
    with pytest.raises(DataError, match="cannot tell them apart"):
        ProbeGated.fit(1.0, along, same)
