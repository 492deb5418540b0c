"""Scopes of text in models of every class: with and without a cache, in a batch and alone."""

from typing import Any

import pytest
from kinds import one_architecture
from making import (
    TEXTS,
    batch_of,
    direction,
    everywhere_at_once,
    generated_by_us,
    the_same_with_and_without_cache_and_batch,
)

import tl_steer as ts
from tl_steer.errors import SteerError
from tl_steer.scopes._characters import Characters
from tl_steer.scopes._keywords import Keywords, Regex
from tl_steer.scopes._latched import Latched
from tl_steer.scopes._nth_generated import NthGenerated
from tl_steer.scopes._roles import Turns
from tl_steer.scopes._sentences import Sentences

COMMON = Keywords("the", "a", "film", "movie", "is", "was", "good", "bad", "loved", "plot", "it")
SCOPES: dict[str, Any] = {
    "words": COMMON,
    "their last": Keywords("film was", "so much", "it").last(),
    "those after": COMMON.after(1),
    "expression": Regex(r"[aeiou]\w+"),
    "characters": Characters(3, -2),
    "sentences": Sentences(0),
    "role": Turns("film", (("film", "film"), ("movie", "film"), ("the", "article")), ("so",)),
    "generated": NthGenerated(0, 2),
    "from there on": Latched(COMMON),
    "together": ts.scopes.AnyOf(
        ts.scopes.AllOf(COMMON, ts.generated), ts.scopes.Not(Regex("[aeiou]"))
    ),
}


@one_architecture
@pytest.mark.parametrize("name", SCOPES)
def test_neither_cache_nor_batch_matter(model: Any, name: str) -> None:
    steering = everywhere_at_once(model, SCOPES[name])
    written = the_same_with_and_without_cache_and_batch(model, steering)
    assert written != generated_by_us(model, TEXTS), "the scope marks something"


def test_it_marks_the_tokens_of_the_words(model: Any) -> None:
    site = "blocks.2.hook_resid_post"
    text = "the film was very good and the plot"
    add = ts.Add(direction(model, site), scope=Keywords("film", "and the"))
    by_place = [ts.Add(direction(model, site), scope=slice(n, n + 1)) for n in (1, 5, 6)]
    tokens = batch_of(model, [text]).tokens
    with ts.steer(model, add):
        found = model(tokens)
    with ts.steer(model, *by_place):
        assert found.equal(model(tokens))


def test_a_model_that_is_called_with_embeddings_has_no_text(model: Any) -> None:
    add = ts.Add(direction(model, "blocks.2.hook_resid_post"), scope=COMMON)
    if not hasattr(model, "original_model"):
        pytest.skip("HookedTransformer always embeds tokens")
    embeddings = model.original_model.get_input_embeddings()(batch_of(model).tokens)
    with ts.steer(model, add), pytest.raises(SteerError, match="its tokens are unknown"):
        model.original_model(inputs_embeds=embeddings)
