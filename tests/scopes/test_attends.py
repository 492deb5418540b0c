"""Attention to some tokens, against patterns that are summed by hand."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from kinds import one_architecture
from making import (
    TEXTS,
    batch_of,
    direction,
    generated_by_model,
    rows_of,
    the_same_with_and_without_cache_and_batch,
)
from models import WORDS
from text_passes import Merged, passes
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import HookNameError, MismatchError, SteerError
from tl_steer.lens.context import Context
from tl_steer.scopes import check_part_fits
from tl_steer.scopes._attends import AttendsTo
from tl_steer.scopes._attention import Attention
from tl_steer.scopes._conditions import ProjectionAbove
from tl_steer.scopes._keys import Keys
from tl_steer.scopes._keywords import Keywords
from tl_steer.scopes._latched import Latched

PATTERN, OTHER, WRITE = (
    "blocks.1.attn.hook_pattern",
    "blocks.2.attn.hook_pattern",
    "blocks.2.hook_mlp_out",
)
COMMON = Keywords("the", "a", "film", "movie", "is", "was", "good", "bad", "loved", "plot")
"""A quarter of all words, so that some are generated, too."""

KEYS: dict[str, Any] = {
    "words": COMMON,
    "prompt": ts.prompt,
    "positions": slice(1, 3),
    "and": ts.scopes.AllOf(COMMON, ts.generated),
    "or": ts.scopes.AnyOf(COMMON.last(), slice(0, 1)),
    "not": ts.scopes.Not(COMMON),
    "from there on": Latched(COMMON),
}


@dataclass(frozen=True, eq=False)
class Listening:
    """A scope that marks nothing, and writes down what something says of each pass."""

    ask: Any
    reads: tuple[str, ...]
    told: list[Any] = field(default_factory=list)

    def __call__(self, context: Context) -> Tensor:
        self.told.append(self.ask(context))
        return context.positions < -1


def in_words(row: list[int]) -> list[str]:
    return [["<pad>", "<bos>", "<unk>", *WORDS][token] for token in row]


def by_hand(model: Any, row: list[int], heads: Any, *, strongest: bool) -> Tensor:
    """Of one row, run whole and alone: the share of each token that goes to the common words."""
    with torch.no_grad():
        _, kept = model.run_with_cache(torch.tensor([row]), names_filter=[PATTERN, OTHER])
    is_key = torch.tensor([word in COMMON.words for word in in_words(row)])
    patterns = torch.cat([kept[name][0][heads] for name in (PATTERN, OTHER)])
    shares = patterns[:, :, is_key].sum(-1)
    return shares.max(0).values if strongest else shares.mean(0)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(("heads", "strongest"), [(None, False), ([0, 3], False), ([1, 2], True)])
def test_shares_are_what_the_patterns_say(
    model: Any, heads: Any, strongest: bool, cached: bool
) -> None:
    measure = Attention(COMMON, [PATTERN, OTHER], heads, strongest=strongest)
    listening = Listening(lambda c: (c.positions, c.whole_tokens, measure(c)), measure.at)
    with ts.steer(model, ts.Add(direction(model, WRITE), scope=listening)):
        generated_by_model(model, TEXTS, prepend_bos=False, use_past_kv_cache=cached)
    tokens = listening.told[-1][1]
    for number, text in enumerate(TEXTS):
        length = len(rows_of(model, [text])[0])
        row = tokens[number, tokens.shape[1] - length - 3 :].tolist()
        chosen = slice(None) if heads is None else heads
        expected = by_hand(model, row, chosen, strongest=strongest)
        if cached:
            parts = [share[number][places[number] >= 0] for places, _, share in listening.told]
            found = torch.cat(parts)
        else:
            found = listening.told[-1][2][number][-len(row) :]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@one_architecture
@pytest.mark.parametrize("name", KEYS)
def test_neither_cache_nor_batch_matter(model: Any, name: str) -> None:
    scope = AttendsTo(KEYS[name], PATTERN, above=0.3)
    steering = ts.Steering(ts.Add(direction(model, WRITE, seed=7), 3.0, scope=scope))
    the_same_with_and_without_cache_and_batch(model, steering)


def test_it_acts_where_attention_is_over_the_threshold(model: Any) -> None:
    measure = Attention(COMMON, PATTERN, [2])
    listening = Listening(lambda c: measure(c)[c.real], measure.at)
    batch = batch_of(model)
    call = {"attention_mask": batch.real.long()}
    with torch.no_grad():
        with ts.steer(model, ts.Add(direction(model, WRITE), scope=listening)):
            model(batch.tokens, **call)
        shares = listening.told[0]
        above = float(shares.sort().values[len(shares) // 2 :][:2].mean())
        gated = ts.Add(
            direction(model, WRITE), 2.0, scope=AttendsTo(COMMON, PATTERN, [2], above=above)
        )
        _, plain = model.run_with_cache(batch.tokens, names_filter=[WRITE], **call)
        with ts.steer(model, gated):
            _, steered = model.run_with_cache(batch.tokens, names_filter=[WRITE], **call)
    moved = (steered[WRITE] - plain[WRITE]).norm(dim=-1) > 1e-4
    assert torch.equal(moved[batch.real], shares > above)
    assert not bool(moved[~batch.real].any())
    assert 0 < int(moved.sum()) < len(shares)


def test_a_word_counts_from_the_token_on_that_completes_it() -> None:
    words = Merged(merges=0)
    first, more = words.ids("a film or"), words.ids(" film ")
    row = first + more
    last = [*passes(words, [row], [len(first)], cached=True)][-1]
    whole = [*passes(words, [row], [len(first)], cached=False)][-1]
    known = whole.mask(Keys(Keywords("film")))[0]
    prompted, written = list(range(2, 6)), list(range(10, 14))
    for column in range(len(row)):
        expected = prompted + (written if column >= 13 else [])
        assert known[column].nonzero().flatten().tolist() == expected
    assert torch.equal(last.mask(Keys(Keywords("film")))[0, 0], known[-1])
    letters = whole.mask(Keys(Keywords("film").last()))[0]
    assert letters[-1].nonzero().flatten().tolist() == [5, 13]


def test_only_earlier_attention_decides(model: Any) -> None:
    scope = AttendsTo(COMMON, OTHER, above=0.1)
    with pytest.raises(MismatchError, match="comes later in the pass"):
        ts.steer(model, ts.Add(direction(model, "blocks.1.hook_mlp_out"), scope=scope))
    same = ts.Add(direction(model, "blocks.2.attn.hook_z"), scope=scope)
    ts.steer(model, same)


def test_what_is_no_attention_is_refused(model: Any) -> None:
    with pytest.raises(HookNameError, match="expected an attention pattern"):
        AttendsTo(COMMON, "blocks.1.attn.hook_z", above=0.1)
    with pytest.raises(HookNameError, match="is not a hook name"):
        AttendsTo(COMMON, "blocks.*.hook_pattern", above=0.1)
    with pytest.raises(HookNameError, match="and one head, got none"):
        AttendsTo(COMMON, PATTERN, [], above=0.1)
    with pytest.raises(SteerError, match="cannot choose what is attended to"):
        AttendsTo(
            ts.scopes.Not(ProjectionAbove(direction(model, WRITE), above=0.0)), PATTERN, above=0.1
        )
    with pytest.raises(HookNameError, match="no head 4; this model has heads 0 to 3"):
        check_part_fits(AttendsTo(COMMON, PATTERN, [0, 4], above=0.1), model, PATTERN)
