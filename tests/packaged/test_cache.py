"""What the packaged model is known to write, whatever transformers calls its cache."""

from typing import Any

import pytest
from making import generated_by_model, greedy, packaged

import tl_steer as ts

pytestmark = pytest.mark.packaged

PROMPT = "The plot of this movie is"
KNOWN = " a classic example of a plot with a clear structure. The"
"""Greedy, recomputed without a cache; transformers 5.24 made ' a-----------' of it."""
STEPS = 12


@pytest.fixture(scope="module")
def model() -> Any:
    return packaged("bridge")


def test_our_loop_writes_what_is_known(model: Any) -> None:
    assert greedy(model, PROMPT, steps=STEPS).frame["text"].tolist() == [KNOWN]


@pytest.mark.parametrize("cached", [True, False])
def test_the_models_own_loop_writes_what_is_known(model: Any, cached: bool) -> None:
    def written() -> str:
        (tokens,) = generated_by_model(model, PROMPT, steps=STEPS, use_past_kv_cache=cached)
        return str(model.tokenizer.decode(tokens))

    assert written() == KNOWN
    with ts.steer(model):
        assert written() == KNOWN
