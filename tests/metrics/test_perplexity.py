import math
from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings, strategies as st
from models import ARCHITECTURES, KINDS, hf_gpt2, hf_llama, small_model, tokenizer

import tl_steer as ts
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, SteerError
from tl_steer.lens.forward import run_logits
from tl_steer.lens.loading import wrap
from tl_steer.lens.protocol import model_info
from tl_steer.metrics import _perplexity as room
from tl_steer.metrics._perplexity import log_probs

cached_model = cache(small_model)
plain_model = cache(lambda architecture: {"llama": hf_llama, "gpt2": hf_gpt2}[architecture]())
Row = tuple[tuple[int, ...], tuple[int, ...]]


def rows(n: int, seed: int = 0) -> list[Row]:
    random = np.random.default_rng(seed)
    return [
        tuple(tuple(random.integers(3, 40, random.integers(1, 12)).tolist()) for _ in range(2))
        for _ in range(n)
    ]  # type: ignore[misc]


@torch.inference_mode()
def by_hand(architecture: str, row: Row) -> list[float]:
    """From the plain Hugging Face model, one text at a time, token by token."""
    prompt, text = row
    tokens = [*prompt, *text]
    logits = plain_model(architecture)(torch.tensor([tokens])).logits[0].double()
    found = torch.log_softmax(logits, dim=-1)
    return [float(found[at - 1, tokens[at]]) for at in range(len(prompt), len(tokens))]


def generations(conditions: dict[str, list[Row]]) -> ts.Generations:
    frame = pd.DataFrame([
        {"condition": name, "prompt_tokens": list(prompt), "tokens": list(text)}
        for name, several in conditions.items()
        for prompt, text in several
    ])  # fmt: skip
    return ts.Generations(frame, ts.Sampling())


def flat(several: Iterable[Iterable[float]]) -> list[float]:
    return list(chain.from_iterable(several))


def assert_close(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(each) for each in found] == [len(each) for each in expected]
    assert flat(found) == pytest.approx(flat(expected), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_tokens", [None, 1, 40])
def test_log_probabilities_are_those_of_the_plain_model(
    kind: str, architecture: str, max_tokens: int | None
) -> None:
    several = rows(12)
    found = log_probs(cached_model(kind, architecture), several, max_tokens=max_tokens)
    assert_close(found, [by_hand(architecture, row) for row in several])


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(9)), st.integers(1, 300))
def test_neither_order_nor_batches_matter(order: list[int], max_tokens: int) -> None:
    several = rows(9)
    found = log_probs(cached_model("bridge"), [several[i] for i in order], max_tokens=max_tokens)
    assert_close(found, [by_hand("llama", several[i]) for i in order])


def test_probabilities_of_all_next_tokens_sum_to_one() -> None:
    several = [((5, 6), (token,)) for token in range(40)]
    found = log_probs(cached_model("bridge"), several)  # type: ignore[arg-type]
    assert sum(math.exp(each) for (each,) in found) == pytest.approx(1, rel=1e-5)


def test_perplexity_pools_the_tokens_of_a_condition() -> None:
    conditions = {"steered": rows(5, seed=1), "unsteered": rows(3, seed=2), "a": rows(1, seed=3)}
    found = ts.metrics.perplexity(cached_model("bridge"), generations(conditions))
    assert list(found) == list(conditions)
    for name, several in conditions.items():
        pooled = [each for row in several for each in by_hand("llama", row)]
        assert found[name] == pytest.approx(math.exp(-np.mean(pooled)), rel=1e-4)


def test_a_model_that_knows_nothing_is_as_perplexed_as_its_vocabulary_is_large() -> None:
    plain = hf_llama()
    with torch.no_grad():
        plain.lm_head.weight.zero_()
    model = wrap(plain, tokenizer(), name="ignorant", device="cpu")
    assert ts.metrics.perplexity(model, generations({"any": rows(4)})) == {"any": pytest.approx(40)}


def test_what_the_model_wrote_is_scored_as_it_was_drawn() -> None:
    model = cached_model("bridge")
    wrote = ts.generate(
        model, ["the film was", "a"], sampling=ts.Sampling(max_new_tokens=6, samples=2, seed=3),
        progress=False,
    )  # fmt: skip
    (found,) = ts.metrics.perplexity(model, wrote).values()
    drawn = flat(wrote.frame["log_probs"])
    assert found == pytest.approx(math.exp(-np.mean(drawn)), rel=1e-4)


def test_a_steered_judge_judges_otherwise() -> None:
    model = cached_model("bridge")
    at = "blocks.1.hook_resid_post"
    joy = ts.Direction(torch.ones(32), at, 1.0, Provenance(model_info(model), "made up"))
    several = rows(4)
    before = log_probs(model, several)
    with ts.steer(model, ts.Add(joy, 5.0)):
        during = log_probs(model, several)
    assert log_probs(model, several) == before
    assert np.abs(np.subtract(flat(during), flat(before))).max() > 0.1


def test_nothing_of_the_model_is_touched() -> None:
    model: Any = cached_model("bridge")
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    log_probs(model, rows(2))
    assert {name: p.requires_grad for name, p in model.named_parameters()} == flags


@pytest.mark.parametrize("limit", [25, 60])
def test_a_batch_without_memory_is_halved(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(model: Any, batch: Any, **settings: Any) -> Any:
        if batch.tokens.numel() > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_logits(model, batch, **settings)

    several = rows(9)
    monkeypatch.setattr(room, "run_logits", run)
    found = log_probs(cached_model("bridge"), several)
    assert_close(found, [by_hand("llama", row) for row in several])
    limit = 1
    with pytest.raises(SteerError, match="on a single text"):
        log_probs(cached_model("bridge"), several)


@pytest.mark.parametrize("row", [((), (5,)), ((5,), ())])
def test_what_has_no_token_is_refused_before_the_model_runs(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "run_logits", lambda *args, **settings: pytest.fail("the model ran"))
    with pytest.raises(DataError, match="has no token"):
        log_probs(cached_model("bridge"), [((5,), (6,)), row])


def test_half_precision_is_scored_in_float32() -> None:
    model: Any = wrap(hf_llama().to(torch.bfloat16), tokenizer(), name="half", device="cpu")
    row = rows(1)[0]
    # On the modules that the other pass runs through: attention rounds differently elsewhere.
    with ts.use_path("bridge"):
        (found,) = log_probs(model, [row])
    with torch.inference_mode():
        logits = model(torch.tensor([[*row[0], *row[1]]]))[0].double()
    assert logits.float().bfloat16().double().equal(logits)
    start = len(row[0]) - 1
    expected = torch.log_softmax(logits, -1)[range(start, start + len(row[1])), list(row[1])]
    assert found == pytest.approx(expected.tolist(), rel=1e-5)
