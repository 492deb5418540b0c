"""Conditions: what they look at, when they fire, and that they never see their own effect."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from activations_of import INFO
from kinds import one_architecture
from making import TEXTS, batch_of, direction, rows_of, the_same_with_and_without_cache_and_batch
from torch import Tensor

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.parts import reads_of
from tl_steer.scopes import check_part_fits
from tl_steer.scopes._conditions import CosineAbove, ProjectionAbove
from tl_steer.scopes._latched import Latched
from tl_steer.scopes._nth_generated import NthGenerated
from tl_steer.scopes._per_prompt import PerPrompt

READ, WRITE, Z = "blocks.1.hook_resid_post", "blocks.2.hook_mlp_out", "blocks.1.attn.hook_z"


def acts_of(model: Any, name: str) -> Tensor:
    """Unsteered activations of all texts, each run alone and without padding, one after another."""
    found = []
    for row in rows_of(model, TEXTS):
        with torch.no_grad():
            _, kept = model.run_with_cache(torch.tensor([row]), names_filter=[name])
        found.append(kept[name][0].flatten(1))
    return torch.cat(found)


def masks(model: Any, scope: Any, at: str = WRITE) -> Tensor:
    """What a scope marks in one pass over a left-padded batch, row after row."""
    told: list[Tensor] = []

    def listening(context: Context) -> Tensor:
        told.append(scope(context)[context.real])
        return context.positions < -1

    batch = batch_of(model)
    hears = replace(ts.Add(direction(model, at), 1.0), scope=_Reading(listening, reads_of(scope)))
    with ts.steer(model, hears), torch.no_grad():
        model(batch.tokens, attention_mask=batch.real.long())
    return told[0]


class _Reading:
    def __init__(self, ask: Any, reads: tuple[str, ...]) -> None:
        self.ask, self.reads = ask, reads

    def __call__(self, context: Context) -> Tensor:
        found: Tensor = self.ask(context)
        return found


@pytest.mark.parametrize("name", [READ, Z])
def test_they_are_what_they_say(model: Any, name: str) -> None:
    along = direction(model, name, seed=3)
    unit = along.unit.vector.flatten()
    acts = acts_of(model, name)
    projections = acts @ unit
    cosines = projections / acts.norm(dim=-1)
    for kind, scores in ((ProjectionAbove, projections), (CosineAbove, cosines)):
        above = float(scores.median()) + 1e-4
        assert torch.equal(masks(model, kind(along, above=above)), scores > above)
        assert 0 < int((scores > above).sum()) < len(scores)


def test_the_mean_of_a_prompt_is_what_capture_reads(model: Any) -> None:
    along = direction(model, READ, seed=4)
    acts = ts.capture(model, TEXTS, at=READ, progress=False, prepend_bos=False)
    last = ts.capture(model, TEXTS, at=READ, read=ts.LastToken(), progress=False, prepend_bos=False)
    lengths = torch.tensor([len(row) for row in rows_of(model, TEXTS)])
    for kind in (ProjectionAbove, CosineAbove):
        for captured, settings in ((acts, {}), (last, {"last": True})):
            scores = kind(along, above=0.0).score(captured[READ][:, None])[:, 0]
            for above in (scores.sort().values[:-1] + scores.sort().values[1:]) / 2:
                condition = kind(along, above=float(above))
                found = masks(model, PerPrompt(condition, **settings))
                assert torch.equal(found, (scores > above).repeat_interleave(lengths))


def test_massive_tokens_and_the_first_do_not_count() -> None:
    along = torch.zeros(4)
    along[0] = 1.0
    acts = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(0))
    ordinary = acts[0, 2:, 0].mean()
    acts[0, 0] *= 1000
    acts[0, 1] *= 1000
    positions = torch.arange(6)[None]
    for above, fires in ((float(ordinary) - 0.01, True), (float(ordinary) + 0.01, False)):
        scope = PerPrompt(ProjectionAbove(_made_up(along), above=above))
        context = Context(positions, torch.tensor([6]), positions)
        context.keep(READ, acts)
        assert scope(context).all() == fires


def _made_up(vector: Tensor) -> ts.Direction:
    return ts.Direction(vector, READ, 1.0, Provenance(INFO, "made up"))


def gates(model: Any) -> dict[str, Any]:
    """Each of which fires for some tokens of these texts and not for others."""
    along = direction(model, READ, seed=5)
    scores = (acts_of(model, READ) @ along.unit.vector).sort().values
    # Between two, where no rounding decides.
    above = float(scores[len(scores) // 2 :][:2].mean())
    condition = ProjectionAbove(along, above=above)
    similar = CosineAbove(direction(model, READ, seed=6), above=0.02)
    return {
        "per token": condition,
        "similar": similar,
        "per prompt": PerPrompt(condition),
        "last of prompt": PerPrompt(similar, last=True),
        "latched": Latched(ts.scopes.AllOf(condition, ts.generated)),
        "and": ts.scopes.AllOf(condition, similar),
        "or": ts.scopes.AnyOf(condition, PerPrompt(similar)),
        "not": ts.scopes.Not(ts.scopes.AnyOf(similar, NthGenerated(0, 2))),
    }


@one_architecture
@pytest.mark.parametrize(
    "name",
    ["per token", "similar", "per prompt", "last of prompt", "latched", "and", "or", "not"],
)
def test_neither_cache_nor_batch_matter(model: Any, name: str) -> None:
    gate = gates(model)[name]
    steering = ts.Steering(ts.Add(direction(model, WRITE, seed=7), 3.0, scope=gate))
    the_same_with_and_without_cache_and_batch(model, steering)


def test_latched_from_the_first_on() -> None:
    positions = torch.tensor([[-1, 0, 1, 2], [0, 1, 2, 3]])
    context = Context(positions, torch.tensor([3, 4]), positions)
    first = Latched(slice(1, 2))(context)
    assert first.tolist() == [[False, False, True, True], [False, True, True, True]]
    new = torch.tensor([[3], [4]])
    whole = torch.cat([positions, new], dim=1)
    after = Context(new, torch.tensor([3, 4]), whole, before=dict(context.after))
    assert Latched(slice(1, 2))(after).all()
    assert not Latched(slice(9, 10))(after).any()


def test_a_planted_gate_fires_where_it_should(model: Any) -> None:
    """A direction that only some tokens have is the difference between their embeddings."""
    name = "blocks.0.hook_resid_pre"
    ids = rows_of(model, ["great awful"])[0]
    with torch.no_grad():
        _, kept = model.run_with_cache(torch.tensor([ids]), names_filter=[name])
    good, bad = kept[name][0].flatten(1)
    vector = good - bad
    along = replace(direction(model, name), vector=vector)
    middle = float((good + bad) @ (vector / vector.norm())) / 2
    write = direction(model, WRITE, seed=8)
    text = "the film was great and the plot was awful"
    tokens = torch.tensor(rows_of(model, [text]))
    gated = ts.Add(write, 2.0, scope=ProjectionAbove(along, above=middle))
    with torch.no_grad():
        _, plain = model.run_with_cache(tokens, names_filter=[WRITE])
        with ts.steer(model, gated):
            _, steered = model.run_with_cache(tokens, names_filter=[WRITE])
    changed = (steered[WRITE] - plain[WRITE]).flatten(2).norm(dim=-1)[0] > 1e-6
    assert bool(changed[text.split().index("great")])
    assert not bool(changed[text.split().index("awful")])


def test_a_gate_does_not_see_its_own_effect(model: Any) -> None:
    """Firing takes the activation far below the threshold, at the place where it is read."""
    along = direction(model, READ, seed=5)
    scores = acts_of(model, READ) @ along.unit.vector
    condition = ProjectionAbove(along, above=float(scores.sort().values[7:9].mean()))
    alone = masks(model, condition)
    steering = ts.Steering(ts.Add(-along, 100.0, scope=condition))
    batch = batch_of(model)
    call = {"attention_mask": batch.real.long()}
    with torch.no_grad():
        _, plain = model.run_with_cache(batch.tokens, names_filter=[READ], **call)
        with ts.steer(model, steering):
            _, steered = model.run_with_cache(batch.tokens, names_filter=[READ], **call)
    moved = ((steered[READ] - plain[READ]).norm(dim=-1) > 1)[batch.real]
    assert torch.equal(moved, alone)
    assert 0 < int(alone.sum()) < len(alone)
    late = ts.Add(direction(model, "blocks.0.hook_mlp_out"), 1.0)
    with pytest.raises(MismatchError, match="would see its own effect"):
        ts.steer(model, late, ts.Add(direction(model, WRITE), 1.0, scope=condition))


def test_what_it_cannot_know_is_said(model: Any) -> None:
    gate = PerPrompt(CosineAbove(direction(model, READ), above=0.0))
    steering = ts.Steering(gated=ts.Add(direction(model, WRITE), 1.0, scope=gate)).off("gated")
    if not hasattr(model, "original_model"):
        pytest.skip("the cache of a HookedTransformer is made before the first pass")
    tokens = torch.tensor([[5, 6, 7]])
    with ts.steer(model, steering) as live, torch.no_grad():
        filled = model.original_model(tokens, use_cache=True).past_key_values
        live.on("gated")
        with pytest.raises(SteerError, match="after the prompt was read"):
            model.original_model(tokens[:, :1], past_key_values=filled, use_cache=True)


def test_what_does_not_fit_is_refused(model: Any) -> None:
    along = direction(model, READ)
    for kind in (ProjectionAbove, CosineAbove):
        with pytest.raises(NonFiniteError, match="expected a number, got"):
            kind(along, above=float("nan"))
        with pytest.raises(NonFiniteError, match="zero vector"):
            kind(0 * along, above=0.0)
        wrong = replace(along, vector=torch.ones(3))
        with pytest.raises(MismatchError, match=READ):
            check_part_fits(PerPrompt(kind(wrong, above=0.0)), model, WRITE)
        gated = ts.Add(direction(model, WRITE), 1.0, scope=kind(wrong, above=0.0))
        with pytest.raises(MismatchError), ts.steer(model, gated):
            model("a movie")
        check_part_fits(Latched(kind(along, above=0.0)), model, WRITE)
