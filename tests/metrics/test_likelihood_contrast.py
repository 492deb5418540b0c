"""Contrasts of continuations, against plain Hugging Face passes, one row at a time."""

from typing import Any

import pandas as pd
import pytest
import torch
from by_hand import logits_by_hand
from kinds import one_architecture
from making import (
    SCOPES,
    architecture_of,
    batch_of,
    direction,
    hooks_of,
    logits_of,
    own_model,
    rows_of,
    shared_model,
)
from models import KINDS

import tl_steer as ts
from tl_steer.errors import DataError, MismatchError, NonFiniteError
from tl_steer.lens.resumed import can_resume, residual_after, residual_before, unembedded
from tl_steer.metrics import _likelihood_contrast as room
from tl_steer.metrics._likelihood_contrast import likelihood_contrast, likelihood_contrasts

PROMPTS = ("the film was very", "a movie", "i loved it so much and the plot")
GOOD, BAD = ("great", "good and bright", "music"), ("awful acting", "bad", "dull long story")
AT = "blocks.1.hook_resid_post"
STRENGTHS = (-2.0, 0.0, 0.5, 3.0)
TIGHT = {"rtol": 2e-4, "atol": 2e-4}


def by_hand(model: Any, additions: Any = lambda prompt: (), sides: Any = (GOOD, BAD)) -> Any:
    """The difference of sums of log-probabilities; ``additions`` by the length of the prompt."""
    found = []
    for number, prompt in enumerate(rows_of(model, PROMPTS)):
        sums = []
        for side in sides:
            (text,) = rows_of(model, [side[number]])
            logits = logits_by_hand(
                architecture_of(model), [*prompt, *text], additions(len(prompt))
            )
            log_probs = logits.double().log_softmax(-1)
            at = range(len(prompt) - 1, len(prompt) + len(text) - 1)
            sums.append(log_probs[list(at), list(text)].sum())
        found.append(sums[0] - sums[1])
    return torch.stack(found).float()


def test_sums_of_log_probabilities_with_strengths_per_row(model: Any) -> None:
    joy = direction(model, AT)
    torch.testing.assert_close(
        likelihood_contrast(model, PROMPTS, GOOD, BAD), by_hand(model), **TIGHT
    )
    rows = [1.0, -2.0, 0.7]
    found = likelihood_contrast(model, PROMPTS, GOOD, BAD, ts.Steering(ts.Add(joy, rows)))
    for number, strength in enumerate(rows):
        expected = by_hand(model, lambda _, s=strength: [(AT, s * joy.vector, (0, None))])
        torch.testing.assert_close(found[number], expected[number], **TIGHT)
    small = likelihood_contrast(
        model, PROMPTS, GOOD, BAD, ts.Steering(ts.Add(joy, rows)), max_tokens=1
    )
    torch.testing.assert_close(small, found, **TIGHT)


def test_single_tokens_are_a_difference_of_logits() -> None:
    model = shared_model("bridge", "llama")
    found = likelihood_contrast(model, PROMPTS, "good", "bad")
    ((good,), (bad,)) = rows_of(model, ["good", "bad"])
    for number, row in enumerate(rows_of(model, PROMPTS)):
        logits = logits_by_hand("llama", row)[-1]
        torch.testing.assert_close(found[number], logits[good] - logits[bad], **TIGHT)


@pytest.mark.parametrize("scope", ["prompt", "generated", "last_prompt_token", "Positions(-3, -1)"])
@pytest.mark.parametrize("kind", KINDS)
def test_prompts_are_prompts_and_continuations_are_generated(kind: str, scope: str) -> None:
    model = shared_model(kind, "llama")
    chosen, bounds = SCOPES[scope]
    joy = direction(model, AT)
    frame = likelihood_contrasts(
        model, PROMPTS, GOOD, BAD, direction=joy, strengths=STRENGTHS, scope=chosen
    )
    for strength, part in frame.groupby("strength"):
        add = float(strength) * joy.vector
        expected = by_hand(model, lambda n, add=add: [(AT, add, bounds(n))])
        torch.testing.assert_close(
            torch.tensor(part["value"].tolist()), expected, rtol=5e-4, atol=5e-4
        )


@one_architecture
@pytest.mark.parametrize(
    "at",
    [
        "blocks.0.hook_resid_pre",
        "blocks.1.hook_resid_post",
        "blocks.2.hook_resid_post",
        "blocks.1.hook_mlp_out",
        "blocks.2.attn.hook_z",
    ],
)
def test_strengths_together_are_strengths_alone(
    model: Any, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    joy = direction(model, at)
    settings = {"direction": joy, "strengths": STRENGTHS}
    frame = likelihood_contrasts(model, PROMPTS, GOOD, BAD, **settings)
    assert list(frame) == ["prompt_index", "strength", "value"]
    assert frame["strength"].tolist() == [*STRENGTHS] * 3
    assert frame["prompt_index"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for strength in STRENGTHS:
        alone = likelihood_contrast(model, PROMPTS, GOOD, BAD, ts.Steering(ts.Add(joy, strength)))
        found = frame[frame["strength"] == strength]["value"].tolist()
        torch.testing.assert_close(torch.tensor(found), alone, **TIGHT)
    # Resumed or not, and whatever the batches.
    few = likelihood_contrasts(model, PROMPTS, GOOD, BAD, **settings, max_tokens=30)
    pd.testing.assert_frame_equal(few, frame, rtol=1e-3, atol=1e-4)
    monkeypatch.setattr(room, "can_resume", lambda model: False)
    whole = likelihood_contrasts(model, PROMPTS, GOOD, BAD, **settings)
    pd.testing.assert_frame_equal(whole, frame, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_pass_may_begin(kind: str) -> None:
    model = own_model(kind)
    assert can_resume(model) == (kind == "hooked")
    with ts.steer(model, ts.Add(direction(model, AT), 1.0)):
        assert not can_resume(model)
    assert can_resume(model) == (kind == "hooked")


@pytest.mark.skipif("hooked" not in KINDS, reason="TransformerLens 4 has no HookedTransformer")
def test_blocks_below_run_once_and_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = own_model("hooked")
    # Made first: a model is asked once, in a pass of its own, what its hook points hold.
    joy = direction(model, "blocks.2.hook_mlp_out")
    before, passes = hooks_of(model), [0] * 4
    handles = [
        block.register_forward_pre_hook(lambda *_, at=layer: passes.__setitem__(at, passes[at] + 1))
        for layer, block in enumerate(model.blocks)
    ]
    # 24 tokens: one batch of the longest rows, so that strengths take passes of their own.
    likelihood_contrasts(
        model, PROMPTS, "good", "bad", direction=joy, strengths=range(6), max_tokens=24
    )
    for handle in handles:
        handle.remove()
    assert passes[0] == passes[1]
    assert passes[2] == passes[3] == 6 * passes[0]
    assert hooks_of(model) == before
    monkeypatch.setattr("tl_steer.metrics._resumed_scores.residual_after", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        likelihood_contrasts(model, PROMPTS, "good", "bad", direction=joy, strengths=[1])
    assert hooks_of(model) == before


@pytest.mark.skipif("hooked" not in KINDS, reason="TransformerLens 4 has no HookedTransformer")
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_resumed_pass_is_the_whole_pass(architecture: str) -> None:
    model = shared_model("hooked", architecture)
    for side in ("right", "left"):
        batch = batch_of(model, side=side)
        for layer in range(model.cfg.n_layers + 1):
            with torch.inference_mode():
                after = residual_after(model, residual_before(model, batch, layer), batch, layer)
                found = unembedded(model, after[batch.real])
            torch.testing.assert_close(found, logits_of(model, side=side)[batch.real], **TIGHT)


def test_what_is_refused() -> None:
    model = shared_model("bridge", "llama")
    joy = direction(model, AT)
    with pytest.raises(DataError, match="Got 2 positive continuations and 3 prompts"):
        likelihood_contrast(model, PROMPTS, ["good", "great"], "bad")
    with pytest.raises(DataError, match=r"prompt 1: 'good' and 'good' are the same"):
        likelihood_contrast(model, PROMPTS, ["great", "good", "dull"], "good")
    with pytest.raises(DataError, match="0 prompts"):
        likelihood_contrast(model, [], "good", "bad")
    with pytest.raises(DataError, match="context holds 64"):
        likelihood_contrast(model, ["film " * 60], "good good good good good", "bad")
    steering = ts.Steering(ts.Add(joy, [1.0] * 6))
    with pytest.raises(MismatchError, match="settings for 6 rows and 3 prompts"):
        likelihood_contrast(model, PROMPTS, "good", "bad", steering)
    with pytest.raises(DataError, match="Expected several strengths"):
        likelihood_contrasts(model, PROMPTS, "good", "bad", direction=joy, strengths=[])
    with pytest.raises(NonFiniteError):
        likelihood_contrasts(
            model, PROMPTS, "good", "bad", direction=joy, strengths=[1.0, float("nan")]
        )
    with pytest.raises(MismatchError):
        likelihood_contrasts(
            shared_model("bridge", "gpt2"), PROMPTS, "good", "bad", direction=joy, strengths=[1]
        )


def test_a_scope_that_reads_runs_whole_passes() -> None:
    kind = KINDS[-1]
    model = shared_model(kind, "llama")
    joy = direction(model, "blocks.2.hook_resid_post")
    other = direction(model, "blocks.1.hook_resid_post", seed=4)
    when = ts.scopes.ProjectionAbove(other, above=0.0)
    frame = likelihood_contrasts(
        model, PROMPTS, GOOD, BAD, direction=joy, strengths=[2.0], scope=when
    )
    alone = likelihood_contrast(
        model, PROMPTS, GOOD, BAD, ts.Steering(ts.Add(joy, 2.0, scope=when))
    )
    torch.testing.assert_close(torch.tensor(frame["value"].tolist()), alone, **TIGHT)
