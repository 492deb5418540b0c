"""MELBO: vectors of one length that change later activations most."""

import math
from functools import cache
from typing import Any

import pytest
import torch
from fits import fitted
from kinds import one_architecture
from making import SITES, TEXTS, assert_left_as_it_was, own_model, rows_of, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError, NonFiniteError, SteerError
from tl_steer.lens import tokens
from tl_steer.trained._melbo import MelboResult, melbo

AT = "blocks.0.hook_mlp_out"
UNTIL = "blocks.2.hook_resid_post"


def found(model: Any, prompts: Any = TEXTS, **changes: Any) -> MelboResult:
    settings = {"at": AT, "until": UNTIL, "n": 2, "progress": False, **fitted(changes, steps=12)}
    return melbo(model, prompts, **settings)


@torch.no_grad()
def later_by_hand(model: Any) -> list[torch.Tensor]:
    """Of each prompt alone, from the model's own cache; all tokens but the first."""
    rows = [torch.tensor([row]) for row in rows_of(model, prepend_bos=False)]
    return [model.run_with_cache(row, names_filter=UNTIL)[1][UNTIL][0, 1:] for row in rows]


def change_by_hand(
    model: Any,
    direction: ts.Direction,
    before: list[torch.Tensor],
    *,
    power: float = 2.0,
    root: float = 2.0,
) -> float:
    """The objective; nothing of the method's is used."""
    with ts.steer(model, ts.Add(direction)):
        after = later_by_hand(model)
    moved = [(a - b).double().norm(dim=-1) for a, b in zip(after, before, strict=True)]
    return sum(float((each**power).sum() ** (1 / root)) for each in moved) / len(moved)


@pytest.fixture(autouse=True)
def _no_first_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts as they are, also for the models that prepend a token by default."""
    monkeypatch.setattr(tokens, "_prepends_bos", lambda model: False)


@pytest.mark.parametrize(("power", "root"), [(2.0, None), (4.0, 1.0), (1.0, 2.0)])
def test_the_objective_is_the_papers(model: Any, power: float, root: float | None) -> None:
    made = found(model, n=1, power=power, root=root, steps=2)
    before = later_by_hand(model)
    expected = change_by_hand(model, made[0], before, power=power, root=root or power)
    assert made.changes[0] == pytest.approx(expected, rel=1e-3)


def test_it_changes_more_than_random_directions(model: Any) -> None:
    made, before = found(model, n=1, steps=20), later_by_hand(model)
    random = [change_by_hand(model, made[0].random_like(seed), before) for seed in range(6)]
    best = change_by_hand(model, made[0], before)
    assert best > max(random)
    assert best > 1.4 * sum(random) / len(random)
    losses = made.losses["train"]
    assert losses.min() < losses[0]
    assert -losses.min() == made.changes[0]


def test_length_and_orthogonality_hold(model: Any) -> None:
    made = found(model, n=5, steps=2, radius=2.5)
    assert made.radius == 2.5
    assert len(made) == 5
    for number, one in enumerate(made.directions):
        assert one.norm == pytest.approx(2.5, rel=1e-5)
        assert all(abs(one.cosine(made[other])) < 1e-5 for other in range(number))
    assert set(made.losses["vector"]) == {1, 2, 3, 4, 5}
    assert made.losses["held_out"].isna().all()


def test_by_default_the_length_is_half_the_activations_norm(model: Any) -> None:
    made = found(model, n=1, steps=1)
    captured = ts.capture(model, TEXTS, at=AT, prepend_bos=False, progress=False)
    assert made[0].scale == pytest.approx(captured.norms[AT], rel=1e-4)
    assert made[0].dose() == pytest.approx(0.5, rel=1e-5)
    origin = made[0].provenance
    assert origin.method == f"MELBO 1 of 1 (to {UNTIL}, 1 steps, seed 0)"
    assert origin.data == "3 prompts"
    made[0].check_fits(model)


PLANTED = 7


@cache
def with_a_planted_direction(kind: str) -> Any:
    """Nothing but block 1's MLP reads the stream, along one dimension of it, and loudly."""
    model = own_model(kind, "gpt2")
    with torch.no_grad():
        for block in model.blocks:
            if kind == "hooked":
                block.attn.W_O.zero_()
                block.mlp.W_out.mul_(1e-3)
            else:
                block.attn.o.original_component.weight.zero_()
                block.mlp.out.original_component.weight.mul_(1e-3)
        mlp = model.blocks[1].mlp
        if kind == "hooked":
            read, write = mlp.W_in, mlp.W_out
        else:
            read = getattr(mlp, "in").original_component.weight
            write = mlp.out.original_component.weight
        assert read.shape == (32, 128)
        read[:PLANTED] = 0
        read[PLANTED + 1 :] = 0
        write.mul_(1e5)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_direction_is_found(kind: str) -> None:
    model = with_a_planted_direction(kind)
    made = found(model, n=2, steps=30, radius=0.5)
    share = [float((each.unit.vector[PLANTED]).abs()) for each in made.directions]
    # The layer norm before the MLP mixes a little of the other dimensions in.
    assert share[0] > 0.9
    assert share[1] < 0.3
    before = later_by_hand(model)
    random = [change_by_hand(model, made[0].random_like(seed), before) for seed in range(20)]
    assert made.changes[0] > 1.5 * max(random)
    assert made.changes[0] > 3 * sum(random) / len(random)
    assert made.changes[0] > 3 * made.changes[1]


@one_architecture
def test_the_same_seed_gives_the_same_and_batches_do_not_matter(model: Any) -> None:
    one, again = (found(model, steps=3) for _ in range(2))
    other = found(model, steps=3, seed=1)
    alone = found(model, steps=3, max_tokens=1)
    for a, b, c, d in zip(
        one.directions, again.directions, other.directions, alone.directions, strict=True
    ):
        assert torch.equal(a.vector, b.vector)
        assert a.cosine(c) < 0.99
        torch.testing.assert_close(a.vector, d.vector, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("site", SITES[:3])
def test_it_works_at_every_site(model: Any, site: str) -> None:
    until = "blocks.2.hook_resid_post"
    made = found(model, at=site, until=until, n=1, steps=1)
    assert made[0].hook_name == site
    by_hand = change_by_hand(model, made[0], later_by_hand(model))
    assert made.changes[0] == pytest.approx(by_hand, rel=1e-3)


def test_heads_are_a_site_too(model: Any) -> None:
    made = found(model, at="blocks.1.attn.hook_z", n=2, steps=1)
    assert made[0].vector.shape == (4, 8)
    assert abs(made[0].cosine(made[1])) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str) -> None:
    model = own_model(kind)
    assert_left_as_it_was(model, lambda: found(model, steps=2), "blocks.1.hook_resid_post")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"until": AT}, HookNameError, "does not come after"),
        ({"until": "blocks.0.hook_attn_out"}, HookNameError, "does not come after"),
        ({"at": "blocks.9.hook_mlp_out"}, HookNameError, "this model has blocks 0 to"),
        ({"until": "blocks.*.hook_resid_post"}, HookNameError, "expected one hook point"),
        ({"prompts": []}, DataError, "at least one prompt, got none"),
        ({"prompts": ["film", " "]}, DataError, "1 of 2 texts are empty"),
        ({"prompts": ["the film", "film"]}, DataError, "prompt 1 has 1 tokens"),
        ({"prompts": ["film " * 65]}, DataError, "context holds 64"),
        ({"tokens": slice(-2, -2)}, DataError, "none of which is in"),
        ({"radius": 0.0}, SteerError, "radius=0.0"),
        ({"radius": math.inf}, SteerError, "radius=inf"),
        ({"n": 0}, SteerError, "expected a whole number of at least 1"),
        ({"n": 33}, SteerError, "expected 1 to 32"),
        ({"power": 0.5}, SteerError, "power=0.5"),
        ({"root": math.nan}, SteerError, "root=nan"),
        ({"steps": 0}, SteerError, "steps=0"),
        ({"max_tokens": 0}, SteerError, "max_tokens=0"),
        ({"learning_rate": math.nan}, SteerError, "learning_rate=nan"),
        ({"batch_size": 2, "held_out": 0.5}, SteerError, "cannot use batch_size=2, held_out=0.5"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")

    def runs(acts: Any, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        found(model, **changes)


def test_activations_that_are_not_finite_are_refused(model: Any) -> None:
    def spoils(acts: Any, hook: Any) -> Any:
        return acts * math.nan

    with (
        model.hooks(fwd_hooks=[(AT, spoils)]),
        pytest.raises(NonFiniteError, match="the activations hold NaN"),
    ):
        found(model)
    with (
        model.hooks(fwd_hooks=[(UNTIL, spoils)]),
        pytest.raises(NonFiniteError, match="step 0: the loss"),
    ):
        found(model)
