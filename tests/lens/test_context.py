"""What a scope, a strength or an intervention is told of the sequence that goes by."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from making import SITES, TEXTS, direction, generated_by_model
from models import WORDS
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import MismatchError, SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.texts import row_text

PATTERN = "blocks.1.attn.hook_pattern"
FIRST, LAST = "blocks.0.hook_resid_post", "blocks.2.hook_resid_post"


@dataclass(frozen=True, eq=False)
class Watching:
    """A scope that marks nothing and writes down what it is told."""

    # Asked pass by pass, as the library's own scopes are.
    __module__ = "tl_steer"
    reads: tuple[str, ...] = ()
    ask: Any = None
    seen: list[Any] = field(default_factory=list)

    def __call__(self, context: Context) -> Tensor:
        self.seen.append(self.ask(context))
        return context.positions < -1


def watched(model: Any, ask: Any, *, reads: tuple[str, ...] = (), **settings: Any) -> list[Any]:
    """What a scope is told in the passes of a generation of two rows."""
    scope = Watching(reads, ask)
    with ts.steer(model, ts.Add(direction(model, LAST), scope=scope)):
        generated_by_model(model, TEXTS[:2], steps=3, **settings)
    return scope.seen


@pytest.mark.parametrize("cache", [True, False])
def test_the_whole_text_is_known_with_and_without_a_cache(model: Any, cache: bool) -> None:
    told = watched(model, lambda c: (c.whole_tokens, c.tokens, c.texts), use_past_kv_cache=cache)
    whole, tokens, texts = told[-1]
    assert tokens.shape[1] == (1 if cache else whole.shape[1])
    assert torch.equal(whole[:, -tokens.shape[1] :], tokens)
    assert whole.shape[1] == 5 + 2
    names = ["<pad>", "<bos>", "<unk>", *WORDS]
    for row, (text, length) in enumerate(zip(texts, (5, 2), strict=True)):
        real = whole[row, 5 - length :].tolist()
        assert text.text.split() == [names[token] for token in real]
        assert len(text.ends) == whole.shape[1]
        first = 5 - length
        for column, token in enumerate(real, start=first):
            assert text.text[text.start(column) : text.ends[column]].strip() == names[token]


@pytest.mark.parametrize("cache", [True, False])
def test_running_sums_go_on_over_cached_steps(model: Any, cache: bool) -> None:
    def ask(context: Context) -> Tensor:
        first = context.running_sum("key", (context.positions + 1).float())
        assert torch.equal(context.running_sum("key", (context.positions + 1).float()), first)
        return first

    last = watched(model, ask, use_past_kv_cache=cache)[-1][:, -1]
    assert last.tolist() == [sum(range(1, 8)), sum(range(1, 5))]


@pytest.mark.parametrize("site", [*SITES[:3], PATTERN])
def test_what_is_read_is_what_stands_there_unsteered(model: Any, site: str) -> None:
    at = LAST if site == PATTERN else site
    with torch.no_grad():
        _, plain = model.run_with_cache("a movie is", names_filter=[site])
    scope = Watching((site,), lambda context: context.read(site))
    add = ts.Add(direction(model, at), 5.0, scope=ts.scopes.AnyOf(ts.everywhere, scope))
    with ts.steer(model, add), torch.no_grad():
        model("a movie is")
        _, steered = model.run_with_cache("a movie is", names_filter=[at])
    assert torch.equal(scope.seen[0], plain[site])
    if at == site:
        assert not torch.equal(steered[site], plain[site])


def test_what_was_not_asked_for_is_not_read(model: Any) -> None:
    scope = Watching((), lambda context: context.read(FIRST))
    with (
        ts.steer(model, ts.Add(direction(model, LAST), scope=scope)),
        pytest.raises(SteerError, match="was not read in this pass"),
    ):
        model("a movie")


def test_nothing_decides_on_its_own_effect(model: Any) -> None:
    late = ts.Add(direction(model, FIRST), scope=Watching((LAST,)))
    with pytest.raises(MismatchError, match="comes later in the pass"):
        ts.steer(model, late)
    before = ts.Add(direction(model, "blocks.1.hook_resid_post"))
    reading = ts.Add(direction(model, LAST), scope=Watching((LAST,)))
    with pytest.raises(MismatchError, match="would see its own effect"):
        ts.steer(model, before, reading)
    with ts.steer(model, ts.Add(direction(model, LAST), scope=Watching((LAST,), len_of))):
        pass


def len_of(context: Context) -> int:
    return len(context.positions)


def test_a_cache_that_was_filled_before_the_block(model: Any) -> None:
    if not hasattr(model, "original_model"):
        pytest.skip("the cache of a HookedTransformer is made before the first pass")
    tokens = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        filled = model.original_model(tokens, use_cache=True).past_key_values
        for ask in (lambda c: c.recall("key"), lambda c: c.texts):
            scope = Watching((), ask)
            with (
                ts.steer(model, ts.Add(direction(model, LAST), scope=scope)),
                pytest.raises(SteerError, match="filled outside of this block"),
            ):
                model.original_model(tokens[:, :1], past_key_values=filled, use_cache=True)


class Bytes:
    """A tokenizer of which every token is one byte."""

    def decode(self, ids: list[int], **settings: Any) -> str:
        return bytes(ids).decode("utf-8", errors="replace")


@pytest.mark.parametrize("text", ["naïve café", "日本 and 😀!", "😀😀 x", "plain"])
def test_characters_of_several_tokens(text: str) -> None:
    ids = list(text.encode())
    found = row_text(Bytes(), ids, [True] * len(ids))
    assert found.text == text
    assert found.ends[-1] == len(text)
    for split in range(len(ids)):
        before = row_text(Bytes(), ids[:split], [True] * split)
        again = row_text(Bytes(), ids, [True] * len(ids), before=before)
        assert again == found
