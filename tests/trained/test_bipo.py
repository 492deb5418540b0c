"""BiPO: a direction that prefers some answers, and whose opposite prefers the others."""

import math
from functools import cache
from typing import Any

import pytest
import torch
from fits import fitted
from kinds import one_architecture
from making import assert_left_as_it_was, own_model, shared_model
from models import KINDS, small_model

import tl_steer as ts
from tl_steer.data import Preferences
from tl_steer.errors import DataError, HookNameError, NonFiniteError, SteerError
from tl_steer.trained._bipo import bipo, preference_loss, preference_margins
from tl_steer.trained._fit import Fit
from tl_steer.trained._training import TrainedDirection, split

AT = "blocks.1.hook_resid_post"
GOOD = ("good", "great", "bright", "loved", "very good", "so great", "not dull", "much loved")
BAD = ("bad", "awful", "dull", "hated", "very bad", "so awful", "not good", "much hated")


def preferences(prompt: str = "the film was", n: int = 8) -> Preferences:
    return Preferences(
        [prompt] * n, [f" {text}" for text in GOOD[:n]], [f" {text}" for text in BAD[:n]]
    )


def found(model: Any, data: Preferences | None = None, **changes: Any) -> TrainedDirection:
    settings: Any = {"at": AT, "progress": False, **fitted(changes, steps=12, held_out=0.0)}
    return bipo(model, preferences() if data is None else data, **settings)


@torch.no_grad()
def margins_by_hand(model: Any, data: Preferences) -> list[float]:
    """Each answer alone, its tokens' log-probabilities summed by hand."""
    tokenizer, bos = model.tokenizer, [model.tokenizer.bos_token_id]

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def likelihood(prompt: str, answer: str) -> float:
        before = (bos if model.cfg.default_prepend_bos else []) + ids(prompt)
        tokens = before + ids(answer)
        logits = model(torch.tensor([tokens]))[0].double().log_softmax(-1)
        return sum(float(logits[t - 1, tokens[t]]) for t in range(len(before), len(tokens)))

    return [
        likelihood(prompt, chosen) - likelihood(prompt, rejected)
        for prompt, chosen, rejected in zip(data.prompts, data.chosen, data.rejected, strict=True)
    ]


def test_margins_are_those_of_each_answer_alone(model: Any) -> None:
    expected = margins_by_hand(model, preferences())
    for max_tokens in (None, 1):
        measured = preference_margins(model, preferences(), max_tokens=max_tokens)
        assert measured.tolist() == pytest.approx(expected, abs=1e-4)


def test_the_loss_is_the_papers(model: Any) -> None:
    trained = found(model, steps=3, held_out=0.5, every=1, seed=3)
    # Of the held-out pairs, both signs, from the definition; probabilities are measured anew.
    apart = split(8, Fit(held_out=0.5, seed=3))[1]
    before = margins_by_hand(model, preferences())
    sums = 0.0
    for sign in (1, -1):
        with ts.steer(model, ts.Add(trained.direction, sign)):
            after = margins_by_hand(model, preferences())
        for pair in apart:
            gained = after[pair] - before[pair]
            sums += math.log(1 + math.exp(-sign * 0.1 * gained)) / 2
    judged = trained.losses["held_out"][trained.best_step]
    assert judged == pytest.approx(sums / len(apart), abs=1e-5)


def test_the_loss_of_numbers() -> None:
    gained, signs = torch.tensor([2.0, -3.0, 0.0]), torch.tensor([1.0, -1.0, 1.0])
    by_hand = [-math.log(1 / (1 + math.exp(-0.5 * x))) for x in (2.0, 3.0, 0.0)]
    assert preference_loss(gained, signs, 0.5).tolist() == pytest.approx(by_hand)


def test_it_prefers_the_chosen_and_its_opposite_the_rejected(model: Any) -> None:
    trained = found(model, learning_rate=0.03)
    losses = trained.losses["train"]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses.iloc[-1] < losses[0] - 0.01
    assert (trained.best_step, trained.stopped_at) == (12, 12)
    before = preference_margins(model, preferences()).mean()
    with ts.steer(model, ts.Add(trained.direction)):
        with_it = preference_margins(model, preferences()).mean()
    with ts.steer(model, ts.Add(trained.direction, -1.0)):
        against = preference_margins(model, preferences()).mean()
    assert with_it > before + 0.2
    assert against < before - 0.2


def test_it_carries_over_to_prompts_that_were_not_trained_on(model: Any) -> None:
    other = preferences("a movie is")
    before = preference_margins(model, other).mean()
    with ts.steer(model, ts.Add(found(model).direction)):
        assert preference_margins(model, other).mean() > before


@cache
def precise_model(kind: str) -> Any:
    model = small_model(kind, "gpt2")
    return model.to(torch.float64) if kind == "hooked" else model.double()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_step_goes_where_finite_differences_point(kind: str) -> None:
    model, data = precise_model(kind), preferences(n=1)
    # Adam's first step has the size of the learning rate in every number, and the gradient's sign.
    first = found(model, data, steps=1, learning_rate=1e-3).direction
    size = 1e-3 * first.scale / math.sqrt(32)
    torch.testing.assert_close(first.vector.abs(), torch.full((32,), size), rtol=2e-2, atol=0)
    for number in (0, 5, 31):
        probe = torch.zeros(32)
        probe[number] = 1e-2
        tiny = ts.Direction(probe, AT, 1.0, first.provenance)
        sides = []
        for sign in (1.0, -1.0):
            with ts.steer(model, ts.Add(tiny, sign)):
                sides.append(margins_by_hand(model, data)[0])
        # Whatever sign was drawn, the loss falls as the margin under +v rises.
        assert (sides[0] - sides[1] > 0) == (float(first.vector[number]) > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_in_half_precision_trains_a_vector_in_full(kind: str) -> None:
    model = small_model(kind)
    model = model.to(torch.bfloat16) if kind == "hooked" else model.bfloat16()
    half = found(model, learning_rate=0.03)
    assert half.losses["train"].iloc[-1] < math.log(2) - 0.01
    full = found(shared_model(kind, "llama"), learning_rate=0.03)
    assert half.direction.cosine(full.direction) > 0.7
    # Numbers that bfloat16 cannot hold: the vector itself is not rounded.
    rounded = half.direction.vector.bfloat16().float()
    assert not torch.equal(half.direction.vector, rounded)


@one_architecture
def test_the_same_seed_gives_the_same_and_batches_do_not_matter(model: Any) -> None:
    settings = {"steps": 3, "batch_size": 3}
    one, again = found(model, **settings), found(model, **settings)
    assert torch.equal(one.direction.vector, again.direction.vector)
    assert one.losses.equals(again.losses)
    other = found(model, **settings, seed=1)
    assert not torch.equal(one.direction.vector, other.direction.vector)
    alone = found(model, **settings, max_tokens=1)
    assert one.direction.cosine(alone.direction) > 0.999


def test_it_says_where_it_comes_from(model: Any) -> None:
    data = Preferences(["the film"] * 2, [" was good", " is"], [" was bad", " so"], name="films")
    trained = found(model, data, steps=2)
    origin = trained.direction.provenance
    assert origin.method == "BiPO (beta 0.1, step 2 of 2, seed 0)"
    assert (origin.data, origin.n_positive) == ("films", 2)
    assert trained.direction.hook_name == AT
    captured = ts.capture(model, ["the film was good", "the film is"], at=AT, progress=False)
    assert trained.direction.scale == pytest.approx(captured.norms[AT], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str) -> None:
    model = own_model(kind)
    assert_left_as_it_was(model, lambda: found(model, steps=2), "blocks.2.hook_resid_post")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"at": "blocks.9.hook_mlp_out"}, HookNameError, "this model has blocks 0 to"),
        ({"at": "blocks.*.hook_mlp_out"}, HookNameError, "expected one hook point"),
        ({"data": preferences("film " * 64)}, DataError, "context holds 64"),
        ({"data": preferences(n=1), "held_out": 0.2}, DataError, "none to train on"),
        ({"held_out": 1.0}, SteerError, "held_out=1.0"),
        ({"beta": 0.0}, SteerError, "beta=0.0"),
        ({"beta": math.nan}, SteerError, "beta=nan"),
        ({"steps": 0}, SteerError, "steps=0"),
        ({"batch_size": 0}, SteerError, "batch_size=0"),
        ({"learning_rate": -1.0}, SteerError, "learning_rate=-1.0"),
        ({"max_tokens": 0}, SteerError, "max_tokens=0"),
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
    for name, says in ((AT, "the activations hold NaN"), ("blocks.2.hook_resid_post", "step 0")):
        with (
            model.hooks(fwd_hooks=[(name, lambda acts, hook: acts * math.nan)]),
            pytest.raises(NonFiniteError, match=says),
        ):
            found(model)
