"""A prompt that several rows share is read once, and they go on from it as if each had read it."""

from math import nan
from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import SITES, TEXTS, direction
from scopes_of import SCOPES
from strengths_of import STRENGTHS

import tl_steer as ts
from tl_steer.errors import NonFiniteError
from tl_steer.lens.hook_points import attach, points

SAMPLED = ts.Sampling(5, samples=3, temperature=0.9, seed=2, stop_at_eos=False)
AT = "blocks.1.hook_resid_post"


def one_reading_each(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows read their prompts themselves, as they did before anything was shared."""
    from tl_steer.generation import _continuing as continuing

    def apart(asked: Any) -> tuple[list[int], list[int]]:
        return list(range(len(asked))), list(range(len(asked)))

    monkeypatch.setattr(continuing, "_read_together", apart)


def frame_of(model: Any, steering: Any, sampling: ts.Sampling = SAMPLED) -> Any:
    return ts.generate(model, TEXTS, steering, sampling, progress=False, max_tokens=10**6).frame


def same_as_apart(model: Any, steering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = frame_of(model, steering)
    with monkeypatch.context() as patch:
        one_reading_each(model, patch)
        expected = frame_of(model, steering)
    assert found["tokens"].tolist() == expected["tokens"].tolist()
    torch.testing.assert_close(
        torch.tensor(found["log_probs"].tolist()),
        torch.tensor(expected["log_probs"].tolist()),
        atol=1e-4,
        rtol=0,
    )


@one_architecture
@pytest.mark.parametrize("name", STRENGTHS)
def test_strengths_remember_what_they_should(
    model: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ts.Add(direction(model, AT), STRENGTHS[name](model))
    if ts.Steering(add).n_rows is None:
        same_as_apart(model, ts.Steering(add), monkeypatch)


@one_architecture
@pytest.mark.parametrize("name", SCOPES)
def test_scopes_remember_what_they_should(
    model: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ts.Add(direction(model, AT), 3.0, scope=SCOPES[name](model))
    same_as_apart(model, ts.Steering(add), monkeypatch)


@pytest.mark.parametrize("site", SITES)
def test_settings_per_row(model: Any, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for scope in (ts.everywhere, ts.generated):
        for strengths in ([2.0, -2.0, 0.0], [0.5 * n for n in range(-4, 5)]):
            add = ts.Add(direction(model, site), strengths, scope=scope)
            same_as_apart(model, ts.Steering(add), monkeypatch)


def rows_read(model: Any, steering: Any) -> list[int]:
    """How many rows each pass over the model has."""
    sizes: list[int] = []
    point = points(model, ["blocks.0.hook_resid_pre"])["blocks.0.hook_resid_pre"]
    hook = attach(point, lambda acts, hook: sizes.append(len(acts)))
    try:
        frame_of(model, steering)
    finally:
        hook.remove()
    return sizes


def test_how_many_rows_are_read(model: Any) -> None:
    d, written = direction(model, AT), [9] * 4
    per_row = [float(n) for n in range(9)]
    early = ts.Positions(0, 2)
    cases = {
        "nothing": (None, 3),
        "one setting": (ts.Add(d, 2.0), 3),
        "one setting a prompt": (ts.Add(d, [1.0, 2.0, 3.0]), 3),
        "settings of generated tokens": (ts.Add(d, per_row, scope=ts.generated), 3),
        "settings of all tokens": (ts.Add(d, per_row), 9),
        "settings of prompts": (ts.Add(d, per_row, scope=early), 9),
        "the second token": (ts.Add(d, per_row, scope=ts.scopes.NthGenerated(1)), 3),
        "both": (ts.Add(d, per_row, scope=ts.scopes.AllOf(ts.everywhere, ts.generated)), 3),
        "either": (ts.Add(d, per_row, scope=ts.scopes.AnyOf(early, ts.generated)), 9),
        "not": (ts.Add(d, per_row, scope=ts.scopes.Not(ts.prompt)), 9),
    }
    for name, (add, read) in cases.items():
        steering = None if add is None else ts.Steering(add)
        assert (name, rows_read(model, steering)) == (name, [read, *written])


def test_conditions_that_share_a_batch_are_what_they_are_alone(model: Any) -> None:
    d, e = direction(model, AT), direction(model, AT, seed=3)
    other = direction(model, "blocks.0.hook_mlp_out")
    conditions = {
        "none": None,
        "one": ts.Steering(ts.Add(d, 2.0)),
        "the other way": ts.Steering(ts.Add(d, -2.0)),
        "generated": ts.Steering(ts.Add(d, 3.0, scope=ts.generated)),
        "two": ts.Steering(ts.Add(e, 2.0), ts.Add(other, -4.0)),
        "two at one place": ts.Steering(ts.Add(e, 2.0), ts.Add(d, -4.0)),
        "elsewhere": ts.Steering(ts.Add(d, 2.0, at="blocks.2.hook_resid_post")),
        "off": ts.Steering(joy=ts.Add(d, 9.0)).off("joy"),
        "a row each": ts.Steering(ts.Add(d, [1.0, 2.0, 3.0])),
        "no addition": ts.Steering(ts.Ablate(d)),
        "a function": ts.Steering(ts.Add(d, ts.strengths.FirstTokens(2, 4.0))),
    }
    found = ts.compare(model, TEXTS, conditions, SAMPLED, progress=False)
    assert found.conditions == list(conditions)
    for name, steering in conditions.items():
        alone = frame_of(model, steering)
        assert found.of(name).frame["tokens"].tolist() == alone["tokens"].tolist(), name
    assert found.of("off").texts == found.of("none").texts != found.of("one").texts


def test_what_is_asked_about_prompts_is_asked_in_a_shared_batch(model: Any) -> None:
    d = direction(model, AT)
    film = ts.scopes.Latched(ts.Keywords("film"))
    always = ts.scopes.PerPrompt(ts.scopes.ProjectionAbove(d, above=-1e6))
    conditions = {"none": None} | {
        name: ts.Steering(ts.Add(d, 9.0, scope=ts.scopes.AllOf(scope, ts.generated)))
        for name, scope in {"after a word": film, "of a prompt": always}.items()
    }
    found = ts.compare(model, ["the film was", *TEXTS], conditions, SAMPLED, progress=False)
    for name in ("after a word", "of a prompt"):
        alone = ts.generate(
            model, ["the film was", *TEXTS], conditions[name], SAMPLED, progress=False
        )
        assert found.of(name).frame["tokens"].tolist() == alone.frame["tokens"].tolist()
        assert found.of(name).texts[:3] != found.of("none").texts[:3]


def test_what_went_wrong_is_said_of_one_row(model: Any) -> None:
    d = direction(model, AT)
    conditions = {"fine": None, "far": ts.Steering(ts.Custom(lambda acts, context: acts / 0, AT))}
    with pytest.raises(NonFiniteError, match=r"^far: the logits of token 0 after .*Custom"):
        ts.compare(model, TEXTS, conditions, SAMPLED, progress=False)
    # The last row of the batch: the shortest prompt, under the last condition.
    several = {"fine": None, "one": ts.Steering(ts.Add(d, 2.0))}
    point = points(model, [AT])[AT]
    hook = attach(
        point,
        lambda acts, hook: acts * torch.tensor([1.0] * (len(acts) - 1) + [nan]).view(-1, 1, 1),
    )
    try:
        with pytest.raises(NonFiniteError, match=r"^one: the logits .*a movie.*Add\(") as caught:
            ts.compare(model, TEXTS, several, SAMPLED, progress=False)
    finally:
        hook.remove()
    assert str(caught.value).count("Direction(") == 1
