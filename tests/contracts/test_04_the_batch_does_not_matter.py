"""Contract 4: in a padded batch each prompt gets what it gets alone, in every scope."""

from typing import Any

import pytest
import torch
from by_hand import logits_by_hand
from hypothesis import given, strategies as st
from making import (
    SCOPES,
    SITES,
    TEXTS,
    architecture_of,
    batch_of,
    direction,
    everywhere_at_once,
    few,
    generated_by_model,
    generated_by_us,
    greedy,
    logits_of,
    rows_of,
)
from models import WORDS

import tl_steer as ts

PROMPTS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), min_size=2, max_size=4
)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_forward_pass_with_a_mask(model: Any, scope: str, side: str) -> None:
    steering = everywhere_at_once(model, SCOPES[scope][0], 0.7)
    real = batch_of(model, side=side).real
    with ts.steer(model, steering):
        together = logits_of(model, side=side)
    for number, row in enumerate(rows_of(model)):
        start, stop = SCOPES[scope][1](len(row))
        additions = [(n, 0.7 * direction(model, n).vector, (start, stop)) for n in SITES]
        alone = logits_by_hand(architecture_of(model), row, additions)
        torch.testing.assert_close(together[number][real[number]], alone, atol=1e-4, rtol=0)


@few
@given(texts=PROMPTS, scope=st.sampled_from(sorted(SCOPES)), prepend_bos=st.booleans())
def test_our_generation_row_by_row(
    model: Any, texts: list[str], scope: str, prepend_bos: bool
) -> None:
    steering = everywhere_at_once(model, SCOPES[scope][0], 0.7)
    together = greedy(model, texts, steering, prepend_bos=prepend_bos).frame
    for number, text in enumerate(texts):
        alone = greedy(model, text, steering, prepend_bos=prepend_bos).frame
        assert together["tokens"][number] == alone["tokens"][0]
        assert together["log_probs"][number] == pytest.approx(alone["log_probs"][0], abs=1e-4)


@pytest.mark.parametrize(
    ("scope", "prepend_bos"),
    [("generated", True), ("last_prompt_token", False), ("Positions(-3, -1)", True)],
)
def test_the_models_own_generation_row_by_row(model: Any, scope: str, prepend_bos: bool) -> None:
    steering = everywhere_at_once(model, SCOPES[scope][0], 0.7)
    with ts.steer(model, steering):
        together = generated_by_model(model, prepend_bos=prepend_bos)
        alone = [generated_by_model(model, text, prepend_bos=prepend_bos)[0] for text in TEXTS]
    assert together == alone
    assert generated_by_us(model, steering=steering, prepend_bos=prepend_bos) == together


@few
@given(texts=PROMPTS, at=st.lists(st.integers(0, 8), min_size=4, max_size=4))
def test_given_prompt_lengths_split_a_text_that_is_there(
    model: Any, texts: list[str], at: list[int]
) -> None:
    """Scoring a continuation in one pass: what counts as generated is said."""
    rows = rows_of(model, texts)
    lengths = [min(cut, len(row)) for cut, row in zip(at, rows, strict=False)]
    steering = everywhere_at_once(model, ts.generated, 0.7)
    with ts.steer(model, steering, prompt_lengths=lengths):
        together = logits_of(model, texts)
    real = batch_of(model, texts).real
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        additions = [(n, 0.7 * direction(model, n).vector, (length, None)) for n in SITES]
        alone = logits_by_hand(architecture_of(model), row, additions)
        torch.testing.assert_close(together[number][real[number]], alone, atol=1e-4, rtol=0)
