"""Relevance, against plain Hugging Face passes."""

import numpy as np
import pandas as pd
import pytest
import torch
from by_hand import logits_by_hand
from making import shared_model
from models import KINDS, hf_llama, tokenizer

import tl_steer as ts
from tl_steer.errors import DataError
from tl_steer.lens.loading import wrap
from tl_steer.metrics._relevance import relevance

BOS = 1


def log_prob(row: list[int], start: int) -> list[float]:
    """Of each token from ``start`` on, given all before it in the row."""
    found = logits_by_hand("llama", row).double().log_softmax(-1)
    return [float(found[at - 1, row[at]]) for at in range(start, len(row))]


def generations(rows: list[tuple[list[int], list[int]]]) -> ts.Generations:
    frame = pd.DataFrame({"prompt_tokens": [p for p, _ in rows], "tokens": [t for _, t in rows]})
    frame = frame.assign(condition="any", prompt_index=0)
    return ts.Generations(frame.set_index(pd.Index(range(7, 7 + len(rows)))), ts.Sampling())


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_beginning_of_text_token_and_without(kind: str) -> None:
    random = np.random.default_rng(0)
    rows = [
        (([BOS] if n % 2 else []) + random.integers(3, 40, 4).tolist(),
         random.integers(3, 40, random.integers(2, 7)).tolist())
        for n in range(6)
    ]  # fmt: skip
    expected = []
    for prompt, text in rows:
        if prompt[0] == BOS:
            given, alone = log_prob(prompt + text, len(prompt)), log_prob([BOS, *text], 1)
        else:
            given, alone = log_prob(prompt + text, len(prompt) + 1), log_prob(text, 1)
        assert len(given) == len(alone)
        expected.append(np.mean(given) - np.mean(alone))
    found = relevance(shared_model(kind, "llama"), generations(rows))
    assert found.index.tolist() == [7, 8, 9, 10, 11, 12]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_prompt_that_tells_nothing_is_irrelevant() -> None:
    plain = hf_llama()
    with torch.no_grad():
        plain.lm_head.weight.zero_()
    model = wrap(plain, tokenizer(), name="ignorant", device="cpu")
    found = relevance(model, generations([([5, 6], [7, 8, 9]), ([BOS, 5], [7])]))
    np.testing.assert_allclose(found, 0, atol=1e-6)


def test_the_prompt_s_own_words_are_relevant() -> None:
    model = shared_model("bridge", "llama")
    wrote = ts.generate(
        model, ["the film was", "a great movie"],
        sampling=ts.Sampling(max_new_tokens=5, samples=6, stop_at_eos=False), progress=False,
    )  # fmt: skip
    frame = wrote.frame
    swapped = frame.assign(prompt_tokens=frame["prompt_tokens"].tolist()[::-1])
    own = relevance(model, wrote).mean()
    assert own > relevance(model, ts.Generations(swapped, wrote.sampling)).mean()


def test_one_token_with_nothing_before_it_has_none() -> None:
    found = relevance(shared_model("bridge", "llama"), generations([([5], [6]), ([5], [6, 7])]))
    assert np.isnan(found.iloc[0])
    assert np.isfinite(found.iloc[1])


def test_what_has_no_token_is_refused() -> None:
    with pytest.raises(DataError, match="has no token"):
        relevance(shared_model("bridge", "llama"), generations([([5], [])]))
