"""Attention emphasis: patterns rescaled and renormalised by hand."""

import math
from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import (
    TEXTS,
    batch_of,
    direction,
    generated_by_model,
    generated_by_us,
    logits_of,
    rows_of as token_rows,
    the_same_with_and_without_cache_and_batch,
)
from models import WORDS
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import HookNameError, NonFiniteError, SteerError
from tl_steer.interventions import n_rows, rows as of_rows
from tl_steer.interventions._emphasize import AtLeast, Emphasize, Rescale
from tl_steer.interventions._protocol import Intervention
from tl_steer.lens.context import Context
from tl_steer.scopes import Keywords, ProjectionAbove

SCORES, PATTERN = "blocks.1.attn.hook_attn_scores", "blocks.1.attn.hook_pattern"
WORDS_MEANT = ("the", "a", "film", "movie", "is", "was", "good", "bad", "loved", "plot")
COMMON = Keywords(*WORDS_MEANT)
HOW = {"rescale": Rescale(20.0), "less": Rescale(0.05), "at least": AtLeast(0.6)}


def patterns(model: Any, steering: Any, *, cached: bool) -> tuple[list[Tensor], Tensor]:
    """Patterns of each pass of a steered generation of all texts, and the tokens it ends with."""
    kept: list[Tensor] = []

    def keep(acts: Tensor, hook: Any) -> None:
        kept.append(acts.clone())

    with ts.steer(model, steering), model.hooks(fwd_hooks=[(PATTERN, keep)]):
        new = generated_by_model(model, TEXTS, prepend_bos=False, use_past_kv_cache=cached)
    return kept, torch.tensor(new)


def plain_pattern(model: Any, row: list[int]) -> Tensor:
    with torch.no_grad():
        _, kept = model.run_with_cache(torch.tensor([row]), names_filter=[PATTERN])
    found: Tensor = kept[PATTERN][0]
    return found


def by_hand(pattern: Tensor, row: list[int], how: Any, strength: float = 1.0) -> Tensor:
    names = ["<pad>", "<bos>", "<unk>", *WORDS]
    span = torch.tensor([names[token] in WORDS_MEANT for token in row])
    inside, whole = pattern[..., span].sum(-1, keepdim=True), pattern.sum(-1, keepdim=True)
    if isinstance(how, Rescale):
        factor = torch.full_like(inside, how.factor)
    else:
        odds = how.share / (1 - how.share)
        factor = (odds * (whole - inside) / inside).clamp(min=1)
    factor = torch.where((inside > 0) & (inside < whole - 1e-7), factor, 1.0) ** strength
    weighted = torch.where(span, pattern * factor, pattern)
    return weighted / weighted.sum(-1, keepdim=True)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("name", HOW)
def test_patterns_are_rescaled_and_renormalised(model: Any, name: str, cached: bool) -> None:
    heads = [0, 3]
    emphasis = Emphasize(COMMON, SCORES, HOW[name], heads=heads)
    kept, new = patterns(model, emphasis, cached=cached)
    changed = False
    for number, prompt in enumerate(token_rows(model)):
        # The last new token is not read any more.
        row = [*prompt, *new[number, :-1].tolist()]
        plain = plain_pattern(model, row)
        expected = plain.clone()
        expected[heads] = by_hand(plain[heads], row, HOW[name])
        changed = changed or not torch.allclose(expected, plain, atol=1e-2)
        last = kept[-1][number]
        width = last.shape[-1]
        torch.testing.assert_close(last[:, -1, width - len(row) :], expected[:, -1])
        first = kept[0][number]
        own = slice(first.shape[-1] - len(prompt), None)
        length = len(prompt)
        torch.testing.assert_close(first[:, own, own], expected[:, :length, :length])
        assert not bool(last[:, -1, : width - len(row)].any()), "padding stays masked"
        assert not bool(first[:, own, own].triu(1).any()), "what comes later stays masked"
    assert changed


def test_a_part_of_it(model: Any) -> None:
    row = token_rows(model)[0]
    plain = plain_pattern(model, [*row])
    for how in HOW.values():
        for strength in (0.3, -1.0):
            with ts.steer(model, Emphasize(COMMON, SCORES, how, strength)):
                found = plain_pattern(model, [*row])
            torch.testing.assert_close(found, by_hand(plain, [*row], how, strength))


def test_the_share_is_reached_and_not_lowered(model: Any) -> None:
    row = [*token_rows(model)[2]]
    names = ["<pad>", "<bos>", "<unk>", *WORDS]
    span = torch.tensor([names[token] in WORDS_MEANT for token in row])
    before = plain_pattern(model, row)[..., span].sum(-1)
    with ts.steer(model, Emphasize(COMMON, SCORES, AtLeast(0.5))):
        after = plain_pattern(model, row)[..., span].sum(-1)
    can = (before > 0) & (before < 1 - 1e-6)
    torch.testing.assert_close(after[can], before[can].clamp(min=0.5))
    assert bool((before[can] < 0.4).any())
    torch.testing.assert_close(after[~can], before[~can])


@one_architecture
@pytest.mark.parametrize("keys", ["words", "slice", "prompt"])
def test_neither_cache_nor_batch_matter(model: Any, keys: str) -> None:
    meant = {"words": COMMON, "slice": slice(1, 3), "prompt": ts.prompt}[keys]
    steering = ts.Steering(
        *(
            Emphasize(meant, f"blocks.{layer}.attn.hook_attn_scores", Rescale(50.0))
            for layer in range(3)
        )
    )
    written = the_same_with_and_without_cache_and_batch(model, steering)
    assert written != generated_by_us(model, TEXTS)


def test_only_tokens_of_the_scope_attend_more(model: Any) -> None:
    row = [*token_rows(model)[0]]
    plain = plain_pattern(model, row)
    with ts.steer(model, Emphasize(COMMON, SCORES, Rescale(20.0), scope=slice(2, 4))):
        found = plain_pattern(model, row)
    expected = by_hand(plain, row, Rescale(20.0))
    torch.testing.assert_close(found[:, 2:4], expected[:, 2:4])
    others = [0, 1, 4]
    assert torch.equal(found[:, others], plain[:, others])


def test_zero_is_nothing_and_rows_are_their_own(model: Any) -> None:
    before = logits_of(model)
    for how in HOW.values():
        for none in (0.0, lambda acts, context: torch.zeros(context.positions.shape)):
            with ts.steer(model, Emphasize(COMMON, SCORES, how, none)):
                assert torch.equal(logits_of(model), before)
    rows = Emphasize(COMMON, SCORES, Rescale(50.0), [0.0, 1.0, -1.0])
    real = batch_of(model).real
    with ts.steer(model, rows):
        together = logits_of(model)
    torch.testing.assert_close(together[0], before[0])
    for number in (1, 2):
        with ts.steer(model, of_rows(rows, [number])):
            alone = logits_of(model, [TEXTS[number]])[0]
        torch.testing.assert_close(together[number][real[number]], alone, rtol=1e-4, atol=1e-4)
    assert isinstance(rows, Intervention)
    assert n_rows(rows) == 3


def test_half_precision_keeps_its_masks() -> None:
    """By hand on scores: what is masked, by minus infinity or by the lowest number, stays so."""
    positions = torch.tensor([[-1, 0, 1, 2]])
    for dtype in (torch.float16, torch.bfloat16):
        for lowest in (-torch.inf, torch.finfo(dtype).min):
            scores = torch.full((1, 4, 2, 4), lowest, dtype=dtype)
            for query in range(1, 4):
                scores[:, query, :, 1 : query + 1] = 0.5
            context = Context(positions, torch.tensor([3]), positions)
            for how in HOW.values():
                edit = Emphasize(slice(0, 1), SCORES, how).edit()
                after = edit(scores, torch.tensor([[1.0]]), context)
                assert after.dtype == dtype
                same = torch.ones_like(scores, dtype=torch.bool)
                same[:, 2:, :, 1] = False
                assert torch.equal(after[same], scores[same])
                assert bool((after[~same] != scores[~same]).all())


def test_what_does_not_fit_is_refused(model: Any) -> None:
    with pytest.raises(HookNameError, match="expected attention scores"):
        Emphasize(COMMON, PATTERN, Rescale(2.0))
    with pytest.raises(HookNameError, match="at least one head, got none"):
        Emphasize(COMMON, SCORES, Rescale(2.0), heads=[])
    with pytest.raises(HookNameError, match="no head 4; this model has heads 0 to 3"):
        ts.steer(model, Emphasize(COMMON, SCORES, Rescale(2.0), heads=[4]))
    with pytest.raises(HookNameError):
        ts.steer(model, Emphasize(COMMON, "blocks.9.attn.hook_attn_scores", Rescale(2.0)))
    with pytest.raises(NonFiniteError):
        Emphasize(COMMON, SCORES, Rescale(2.0), math.nan)
    reading = ProjectionAbove(direction(model, "blocks.0.hook_resid_pre"), above=0.0)
    with pytest.raises(SteerError, match="cannot choose what is attended to"):
        Emphasize(reading, SCORES, Rescale(2.0))
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(SteerError, match="a number over 0, such as 100"):
            Rescale(wrong)
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(SteerError, match=r"a number between 0 and 1, such as 0.2"):
            AtLeast(wrong)
