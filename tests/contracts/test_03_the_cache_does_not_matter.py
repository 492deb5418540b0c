"""Contract 3: steered greedy tokens are the same with and without a cache, in every scope."""

from typing import Any

import pytest
import torch
from by_hand import greedy_by_hand
from making import (
    SCOPES,
    SITES,
    TEXTS,
    architecture_of,
    direction,
    everywhere_at_once,
    generated_by_model,
    generated_by_us,
    greedy,
    rows_of,
)

import tl_steer as ts
from tl_steer.lens.protocol import is_bridge

STEPS = 4


def by_hand(
    model: Any, names: Any, scope: str, strength: float, *, prepend_bos: bool = False
) -> tuple[list[list[int]], torch.Tensor]:
    """What each prompt gets alone, in plain Hugging Face, with positions counted by hand."""
    bounds = SCOPES[scope][1]
    found = [
        greedy_by_hand(
            architecture_of(model),
            row,
            [(name, strength * direction(model, name).vector, bounds(len(row))) for name in names],
            steps=STEPS,
        )
        for row in rows_of(model, prepend_bos=prepend_bos)
    ]
    return [tokens for tokens, _ in found], torch.tensor([logs for _, logs in found])


@pytest.mark.parametrize("scope", SCOPES)
def test_cache_and_no_cache_agree_with_by_hand(model: Any, scope: str) -> None:
    expected, log_probs = by_hand(model, SITES, scope, 0.7)
    # Log-probabilities tell what tokens might hide: that the scope does something.
    assert (log_probs - by_hand(model, (), scope, 0.0)[1]).abs().max() > 1e-3
    steering = everywhere_at_once(model, SCOPES[scope][0], 0.7)
    with ts.steer(model, steering):
        assert generated_by_model(model, use_past_kv_cache=True) == expected
        assert generated_by_model(model, use_past_kv_cache=False) == expected
    ours = greedy(model, steering=steering, steps=STEPS).frame
    assert ours["tokens"].tolist() == expected
    torch.testing.assert_close(
        torch.tensor(ours["log_probs"].tolist()), log_probs, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("site", SITES)
def test_each_hook_point_agrees_with_by_hand(model: Any, site: str) -> None:
    scope = "Positions(-3)"  # of prompt and generated tokens both
    expected, log_probs = by_hand(model, (site,), scope, 2.0)
    assert (log_probs - by_hand(model, (), scope, 0.0)[1]).abs().max() > 1e-3
    steering = ts.Steering(ts.Add(direction(model, site), 2.0, scope=SCOPES[scope][0]))
    ours = greedy(model, steering=steering, steps=STEPS).frame
    assert ours["tokens"].tolist() == expected
    torch.testing.assert_close(
        torch.tensor(ours["log_probs"].tolist()), log_probs, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("prepend_bos", [True, False])
def test_a_beginning_of_text_token_is_the_first_position(
    model: Any, prepend_bos: bool, cache: bool
) -> None:
    steering = everywhere_at_once(model, slice(1, 4), 0.7)
    expected, _ = by_hand(model, SITES, "slice(1, 4)", 0.7, prepend_bos=prepend_bos)
    assert generated_by_us(model, steering=steering, prepend_bos=prepend_bos) == expected
    with ts.steer(model, steering):
        found = generated_by_model(model, prepend_bos=prepend_bos, use_past_kv_cache=cache)
    assert found == expected


def test_one_block_serves_one_sequence_after_the_other(model: Any) -> None:
    """A new prompt is told apart from a continuation, with and without a cache."""
    steering = everywhere_at_once(model, ts.generated, 0.7)
    alone = [generated_by_us(model, text, steering) for text in TEXTS]
    with ts.steer(model, steering):
        for cache in (True, False, True):
            found = [generated_by_model(model, text, use_past_kv_cache=cache) for text in TEXTS]
            assert found == alone


def test_a_hook_that_writes_in_place_hides_no_continuation(model: Any) -> None:
    """Without a cache, a pass is known as a continuation by what it begins with."""
    if not is_bridge(model) and architecture_of(model) == "llama":
        pytest.skip("HookedTransformer's generate reuses the embeddings that this hook writes into")
    steering = everywhere_at_once(model, ts.generated, 0.7)
    own = (SITES[0], lambda acts, hook: acts.mul_(1.5))
    with model.hooks(fwd_hooks=[own]), ts.steer(model, steering):
        expected = generated_by_model(model, use_past_kv_cache=True)
        assert generated_by_model(model, use_past_kv_cache=False) == expected
