"""Texts that tl_steer reads in a user's block are steered rightly or refused, never unsteered."""

import math
from typing import Any

import pytest
import torch
from making import TEXTS, batch_of, direction, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.lens.forward import run_logits
from tl_steer.metrics import perplexity

AT, BEHIND = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
EVERY = {
    "read": ts.activations.EveryToken(),
    "leave_out": ts.activations.LeaveOut(bos=False, first=False, massive=None),
}
ASKS = {
    "generated": ts.generated,
    "prompt": ts.prompt,
    "last prompt token": ts.last_prompt_token,
    "some generated": ts.scopes.NthGenerated(0, 2),
    "from the end": slice(-2, None),
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return shared_model(request.param, "gpt2")


def capture(model: Any, texts: Any = TEXTS) -> torch.Tensor:
    return ts.capture(model, texts, at=BEHIND, progress=False, **EVERY)[BEHIND]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ASKS)
def test_what_cannot_be_known_is_refused(model: Any, name: str) -> None:
    steering = ts.Steering(ts.Add(direction(model, AT), 0.8, scope=ASKS[name]))
    with (
        pytest.raises(SteerError, match=r"where the prompt ends is not known.*ts\.trace"),
        ts.steer(model, steering),
    ):
        capture(model)
    with (
        model.hooks(fwd_hooks=steering.fwd_hooks(model)),
        pytest.raises(SteerError, match="whole texts are read"),
    ):
        capture(model)


def test_what_does_not_ask_is_steered(model: Any) -> None:
    plain = capture(model)
    for scope in (ts.everywhere, slice(0, 2), ts.Keywords("the", "a", "i")):
        with ts.steer(model, ts.Add(direction(model, AT), 0.8, scope=scope)):
            assert (capture(model) - plain).abs().max() > 0.1


def test_one_text_whose_prompt_is_known(model: Any) -> None:
    add = ts.Add(direction(model, AT), 0.8, scope=ts.generated)
    with ts.steer(model, add, prompt_lengths=[2]):
        found = capture(model, TEXTS[:1])
    plain = capture(model, TEXTS[:1])
    torch.testing.assert_close(found[:2], plain[:2])
    assert (found[2:] - plain[2:]).abs().amax(-1).min() > 0.01


def test_several_texts_come_in_an_order_of_their_own(model: Any) -> None:
    add = ts.Add(direction(model, AT), 0.8, scope=ts.generated)
    with (
        pytest.raises(SteerError, match="one text at a time"),
        ts.steer(model, add, prompt_lengths=[2, 1, 3]),
    ):
        capture(model)


def test_passes_of_the_user_are_prompts_as_before(model: Any) -> None:
    """They look the same as those that a text is generated from."""
    add, batch = ts.Add(direction(model, AT), 0.8, scope=ts.prompt), batch_of(model)
    plain = run_logits(model, batch)
    with ts.steer(model, add):
        model(batch.tokens, attention_mask=batch.real.long())
        assert (run_logits(model, batch) - plain).abs().max() > 0.1


def test_perplexity_of_what_was_written_knows_where_it_begins(model: Any) -> None:
    add = ts.Add(direction(model, AT), 0.9, scope=ts.generated)
    written = ts.generate(
        model, TEXTS, max_new_tokens=4, temperature=0, stop_at_eos=False, progress=False
    )
    with ts.steer(model, add):
        (found,) = perplexity(model, written).values()
    traced = ts.trace(
        model, TEXTS, add, texts=written.frame["tokens"].tolist(), progress=False,
        directions=direction(model, AT),
    )  # fmt: skip
    behind = traced.tokens["written"]
    assert found == pytest.approx(math.exp(-traced.tokens["log_prob"][behind].mean()), rel=1e-4)
