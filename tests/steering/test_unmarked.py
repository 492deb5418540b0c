"""What is said of a scope that marked no token in a whole run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import batch_of, direction, generated_by_model, greedy
from no_waiting import NoWaiting

import tl_steer as ts
from tl_steer.errors import SteerError, UnmarkedScopeWarning
from tl_steer.lens.context import Context
from tl_steer.scopes import Turns
from tl_steer.steering._steered import in_part
from tl_steer.steering._unmarked import Marked

pytestmark = pytest.mark.filterwarnings("error::tl_steer.errors.UnmarkedScopeWarning")
SITE, PATTERN = "blocks.1.hook_resid_post", "blocks.1.attn.hook_pattern"
ABSENT = ts.Keywords("zebra")


def adding(model: Any, scope: Any, strength: Any = 1.0) -> ts.Steering:
    """At two hook points, so that a scope is asked twice in a pass."""
    return ts.Steering(
        ts.Add(direction(model, SITE), strength, scope=scope),
        ts.Add(direction(model, "blocks.2.hook_mlp_out"), strength, scope=scope),
    )


@contextmanager
def told() -> Iterator[list[Any]]:
    """All warnings of a run, and nothing that is raised for them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


@one_architecture
def test_generate_warns_once_and_names_the_scope(model: Any) -> None:
    prompts = ["the film was very good", "a movie", "i loved it so much"]
    with told() as caught:
        found = greedy(model, prompts, adding(model, ABSENT), max_tokens=12)
    (one,) = caught
    assert one.category is UnmarkedScopeWarning
    assert one.filename.endswith("making.py"), "the line that called us"
    for part in ("Keywords(words=('zebra',)", "marked no token", "Does it stand so in the prompts"):
        assert part in str(one.message)
    assert found.texts == greedy(model, prompts).texts


@one_architecture
def test_a_scope_that_marks_in_one_batch_is_right(model: Any) -> None:
    """Batches are for one row each here, and only one of them has the word."""
    greedy(model, ["the film was", "a movie"], adding(model, ts.Keywords("film")), max_tokens=8)


@one_architecture
def test_compare_names_what_marked_nothing_and_no_more(model: Any) -> None:
    conditions = {
        "none": None,
        "film": adding(model, ts.Keywords("film")),
        "zebra": adding(model, ABSENT),
        "gnu": ts.Steering(ts.Ablate(direction(model, SITE), scope=ts.Keywords("gnu"))),
    }
    with told() as caught:
        ts.compare(model, "the film was", conditions, ts.Sampling(2), progress=False)
    assert "zebra" in str(caught[0].message)
    assert "gnu" in str(caught[0].message)
    assert "film" not in str(caught[0].message)
    assert len(caught) == 1


@one_architecture
def test_a_block_warns_at_its_end(model: Any) -> None:
    with pytest.warns(UnmarkedScopeWarning, match="zebra.*marked no token"):  # noqa: SIM117
        with ts.steer(model, adding(model, ABSENT)):
            generated_by_model(model, "the film")
    live = ts.steer(model, adding(model, ABSENT)).start()
    generated_by_model(model, "the film")
    with pytest.warns(UnmarkedScopeWarning, match="zebra"):
        live.remove()
    live.remove()
    with live:
        generated_by_model(model, "the film", steps=1)
        live.at_strength(**{"1": 0.0, "2": 0.0})
        with pytest.warns(UnmarkedScopeWarning, match="zebra"):
            live.remove()


@one_architecture
def test_what_was_never_asked_is_not_told_of(model: Any) -> None:
    with ts.steer(model, adding(model, ABSENT)):
        pass
    with ts.steer(model, adding(model, ABSENT, 0.0)), torch.no_grad():
        model("the film")
    with ts.steer(model, adding(model, ABSENT).off("1", "2")), torch.no_grad():
        model("the film")
    with in_part(model, adding(model, ABSENT)), torch.no_grad():
        model("the film")
    with torch.no_grad():
        model.run_with_hooks("the film", fwd_hooks=adding(model, ABSENT).fwd_hooks(model))


@one_architecture
def test_what_failed_is_told_of_and_nothing_else(model: Any) -> None:
    def fails(acts: torch.Tensor, hook: Any) -> None:
        raise ZeroDivisionError

    later = [("blocks.2.hook_resid_post", fails)]
    with pytest.raises(ZeroDivisionError), ts.steer(model, adding(model, ABSENT)), torch.no_grad():
        model.run_with_hooks("the film", fwd_hooks=later)
    with pytest.raises(SteerError, match="got the class Keywords itself"):
        ts.steer(model, ts.Add(direction(model, SITE), scope=ts.Keywords))  # type: ignore[arg-type]


@one_architecture
def test_what_is_attended_to_counts_as_well(model: Any) -> None:
    at = direction(model, "blocks.2.hook_mlp_out")
    scores = "blocks.1.attn.hook_attn_scores"
    for steering in (
        ts.Add(at, ts.strengths.AttentionShare(ABSENT, PATTERN)),
        ts.Add(at, scope=ts.scopes.AttendsTo(ABSENT, PATTERN, above=0.0)),
        ts.interventions.Emphasize(ABSENT, scores, ts.interventions.Rescale(100.0)),
    ):
        with told() as caught, ts.steer(model, steering), torch.no_grad():
            model("the film")
        (one,) = caught
        assert "zebra" in str(one.message)
    with ts.steer(model, ts.Add(at, ts.strengths.AttentionShare(ts.Keywords("film"), PATTERN))):
        generated_by_model(model, "the film")


@one_architecture
def test_padding_is_no_token(model: Any) -> None:
    def before_the_text(context: Context) -> torch.Tensor:
        return context.positions < 0

    batch = batch_of(model)
    with pytest.warns(UnmarkedScopeWarning, match="before_the_text marked no token. Look at"):  # noqa: SIM117
        with ts.steer(model, adding(model, before_the_text)), torch.no_grad():
            model(batch.tokens, attention_mask=batch.real.long())


ADVICE = {
    "generated": (ts.generated, "Was so much written"),
    "nth": (ts.scopes.NthGenerated(7), "Was so much written"),
    "positions": (slice(40, 50), "Are the texts so long"),
    "characters": (ts.scopes.Characters(400), "Are the texts so long"),
    "sentences": (ts.scopes.Sentences(7), "Are there so many sentences"),
    "expression": (ts.scopes.Regex(r"\d+"), "Does it stand so in the prompts"),
    "role": (Turns("user", (("user", "<user>"),), ()), r"chat=Chat\(\)"),
    "together": (ts.scopes.AllOf(ts.Keywords("film"), slice(9, None)), "Do its parts meet"),
    "one of": (ts.scopes.AnyOf(ABSENT, slice(40, None)), "Try its parts one by one"),
    "latched": (ts.scopes.Latched(ABSENT), "Try its parts one by one"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_it_says_what_to_look_at(name: str) -> None:
    from making import shared_model

    model = shared_model("bridge", "gpt2")
    scope, says = ADVICE[name]
    with pytest.warns(UnmarkedScopeWarning, match=says):
        greedy(model, "the film was good", adding(model, scope), steps=1)


def test_a_condition_that_never_fires_is_asked_about_its_threshold() -> None:
    from making import shared_model

    model = shared_model("bridge", "gpt2")
    gate = ts.scopes.ProjectionAbove(direction(model, "blocks.0.hook_resid_post"), above=1e6)
    for scope in (gate, ts.scopes.PerPrompt(gate)):
        with pytest.warns(UnmarkedScopeWarning, match="Is the threshold too high"):
            greedy(model, "the film was good", adding(model, scope), steps=1)


def test_taking_down_waits_for_nothing() -> None:
    marked, masks = Marked(), [torch.zeros(2, 3, dtype=torch.bool) for _ in range(3)]
    with NoWaiting():
        for mask in masks:
            marked.note(ABSENT, mask, ~mask)
            marked.note(ABSENT, mask, ~mask)
    with pytest.warns(UnmarkedScopeWarning):
        marked.warn()
    masks[1][0, 0] = True
    with NoWaiting():
        marked.note(ABSENT, masks[1])
        marked.note(ABSENT, masks[2])
    marked.warn()
