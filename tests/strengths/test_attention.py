"""Strength in proportion to attention."""

from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import (
    TEXTS,
    batch_of,
    direction,
    generated_by_us,
    the_same_with_and_without_cache_and_batch,
)

import tl_steer as ts
from tl_steer.errors import HookNameError, NonFiniteError
from tl_steer.scopes import Keywords
from tl_steer.strengths._attention_share import AttentionShare

PATTERN, WRITE = "blocks.1.attn.hook_pattern", "blocks.1.hook_attn_out"
WORDS = Keywords("the", "film", "a", "movie", "it", "is", "was")


@pytest.mark.parametrize("strongest", [True, False])
def test_what_is_added_is_what_the_pattern_says(model: Any, strongest: bool) -> None:
    """One row, so that columns are positions; the words stand at 0, 1 and 4."""
    ids = model.to_tokens("the film so very it and", prepend_bos=False)
    along = direction(model, WRITE)
    strength = AttentionShare(WORDS, PATTERN, [0, 1], factor=-3.0, strongest=strongest)
    with torch.no_grad():
        _, plain = model.run_with_cache(ids, names_filter=[PATTERN, WRITE])
        with ts.steer(model, ts.Add(along, strength)):
            _, steered = model.run_with_cache(ids, names_filter=[WRITE])
    shares = plain[PATTERN][0, :2][:, :, [0, 1, 4]].sum(-1)
    shares = shares.amax(0) if strongest else shares.mean(0)
    expected = plain[WRITE][0] - 3.0 * shares[:, None] * along.vector
    torch.testing.assert_close(steered[WRITE][0], expected, rtol=1e-4, atol=1e-4)
    assert bool(((shares > 0) & (shares < 1)).any())


@one_architecture
def test_neither_cache_nor_batch_matter(model: Any) -> None:
    strength = AttentionShare(WORDS, PATTERN, factor=6.0)
    steering = ts.Steering(ts.Add(direction(model, "blocks.2.hook_resid_post"), strength))
    written = the_same_with_and_without_cache_and_batch(model, steering)
    assert written != generated_by_us(model, TEXTS)


def test_padding_gets_nothing(model: Any) -> None:
    batch = batch_of(model)
    call = {"attention_mask": batch.real.long()}
    add = ts.Add(direction(model, WRITE), AttentionShare(ts.everywhere, PATTERN))
    with torch.no_grad():
        _, plain = model.run_with_cache(batch.tokens, names_filter=[WRITE], **call)
        with ts.steer(model, add):
            _, steered = model.run_with_cache(batch.tokens, names_filter=[WRITE], **call)
    added = steered[WRITE] - plain[WRITE]
    assert not bool(added[~batch.real].any())
    # All attention goes to all tokens.
    expected = direction(model, WRITE).vector.expand_as(added[batch.real])
    torch.testing.assert_close(added[batch.real], expected, rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_refused(model: Any) -> None:
    with pytest.raises(NonFiniteError, match="factor=inf"):
        AttentionShare(WORDS, PATTERN, factor=float("inf"))
    wrong = ts.Add(direction(model, WRITE), AttentionShare(WORDS, PATTERN, [7]))
    with pytest.raises(HookNameError, match="no head 7"):
        ts.steer(model, wrong)
