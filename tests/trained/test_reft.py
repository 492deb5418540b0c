"""ReFT-r1: one direction that detects and writes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from fits import fitted
from hypothesis import given, settings, strategies as st
from kinds import one_architecture
from making import assert_left_as_it_was, own_model, rows_of, shared_model
from models import KINDS

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError, NonFiniteError, SteerError
from tl_steer.lens import tokens
from tl_steer.trained._reft import latents_of, reft_r1, top_mean
from tl_steer.trained._training import TrainedDirection

AT = "blocks.1.hook_resid_post"
TEXTS = (
    "the film was good and great",
    "a movie was very good",
    "it was great",
    "i loved the film so much",
    "good acting and great plot",
    "the story was great and the ending was very good",
)


def found(model: Any, texts: Any = TEXTS, **changes: Any) -> TrainedDirection:
    settings = {"at": AT, "progress": False, **fitted(changes, steps=12, held_out=0.0)}
    return reft_r1(model, texts, **settings)


@torch.no_grad()
def activations_by_hand(model: Any, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    bos = [model.tokenizer.bos_token_id] if model.cfg.default_prepend_bos else []
    (row,) = rows_of(model, [text])
    ids = torch.tensor([[*bos, *row]])
    return ids, model.run_with_cache(ids, names_filter=AT)[1][AT][0]


@torch.no_grad()
def loss_by_hand(model: Any, unit: torch.Tensor, text: str, top_k: int) -> float:
    """Mean surprise of all tokens but the first under the addition, text by text."""
    ids, acts = activations_by_hand(model, text)
    latents = np.maximum((acts[1:] @ unit).numpy(), 0)
    mean = np.sort(latents)[::-1][:top_k].mean()
    size = float(mean) * unit

    def add(acts: torch.Tensor, hook: Any) -> torch.Tensor:
        return torch.cat([acts[:, :1], acts[:, 1:] + size], dim=1)

    logits = model.run_with_hooks(ids, fwd_hooks=[(AT, add)])[0].log_softmax(-1)
    return -float(logits[:-1].gather(1, ids[0, 1:, None]).mean())


@pytest.mark.parametrize("top_k", [1, 2, 8])
def test_the_loss_is_the_papers(model: Any, top_k: int) -> None:
    trained = found(model, steps=1, top_k=top_k)
    unit = trained.direction.unit.vector
    expected = [loss_by_hand(model, unit, text, top_k) for text in TEXTS]
    # The last step's loss is that of its vector, with the whole of λ.
    others = []
    for text in TEXTS:
        latents = torch.relu(activations_by_hand(model, text)[1][1:] @ unit).sort().values
        others.append(float(latents[: max(0, len(latents) - top_k)].sum()) / len(latents))
    sparse = np.mean(others) / trained.direction.scale
    measured = trained.losses["train"].iloc[-1]
    assert measured == pytest.approx(np.mean(expected) + sparse, rel=1e-4)


def test_the_loss_falls_and_strength_one_has_its_meaning(model: Any) -> None:
    trained = found(model, sparsity=0.0, steps=25)
    assert trained.losses["train"].iloc[-1] < trained.losses["train"][0] - 0.02
    unit = trained.direction.unit.vector
    largest = [
        float((activations_by_hand(model, text)[1][1:] @ unit).max().clamp(min=0)) for text in TEXTS
    ]
    assert trained.direction.norm == pytest.approx(np.mean(largest), rel=1e-4)


def test_sparsity_makes_latents_sparse() -> None:
    model = shared_model("bridge", "llama")

    def others(sparsity: float) -> float:
        trained = found(model, sparsity=sparsity, top_k=1, steps=25)
        rest = []
        for text in TEXTS:
            acts = activations_by_hand(model, text)[1][1:]
            latents = torch.relu(acts @ trained.direction.unit.vector)
            rest.append(float(latents.sum() - latents.max()))
        return sum(rest)

    assert others(100.0) < 0.5 * others(0.0)


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_the_mean_of_the_largest_does_not_depend_on_padding(n: int, top_k: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    acts = torch.randn(1, n, 5, generator=generator)
    unit = torch.randn(5, generator=generator)
    counted = torch.ones(1, n, dtype=torch.bool)
    latents = latents_of(acts, unit, counted)
    plain = np.sort(np.maximum((acts[0] @ unit).numpy(), 0))[::-1]
    mean, others = top_mean(latents, counted, top_k)
    assert float(mean) == pytest.approx(plain[:top_k].mean(), rel=1e-5, abs=1e-7)
    assert float(others) == pytest.approx(plain[top_k:].sum() / n, rel=1e-5, abs=1e-6)
    more = torch.cat([acts, 100 * torch.randn(1, 3, 5, generator=generator)], dim=1)
    wider = torch.cat([counted, torch.zeros(1, 3, dtype=torch.bool)], dim=1)
    padded = top_mean(latents_of(more, unit, wider), wider, top_k)
    torch.testing.assert_close(padded, (mean, others))


def test_answers_are_learned_given_their_prompts(model: Any) -> None:
    prompts = ["the film was"] * 3
    trained = found(model, [" good", " great", " very good"], prompts=prompts, sparsity=0.0)
    assert trained.losses["train"].iloc[-1] < trained.losses["train"][0]
    before = activations_by_hand(model, "the film was good")[1]
    assert trained.direction.vector.shape == before[0].shape


def test_of_a_contrast_set_the_positive_texts_are_taken(model: Any) -> None:
    contrast = ts.ContrastSet(TEXTS, ["the film was bad"], name="films")
    one, other = found(model, contrast, steps=2), found(model, TEXTS, steps=2)
    assert torch.equal(one.direction.vector, other.direction.vector)
    origin = one.direction.provenance
    assert (origin.data, origin.n_positive) == ("films", 6)
    assert origin.method == "ReFT-r1 (k 8, step 2 of 2, seed 0)"
    captured = ts.capture(model, TEXTS, at=AT, progress=False)
    assert one.direction.scale == pytest.approx(captured.norms[AT], rel=1e-4)


@one_architecture
def test_the_same_seed_gives_the_same_and_batches_do_not_matter(model: Any) -> None:
    options = {"steps": 3, "batch_size": 4, "sparsity": 0.5}
    one, again = found(model, **options), found(model, **options)
    assert torch.equal(one.direction.vector, again.direction.vector)
    assert found(model, **options, seed=1).direction.cosine(one.direction) < 0.9
    alone = found(model, **options, max_tokens=1)
    assert one.direction.cosine(alone.direction) > 0.99


def test_heads_are_a_site_too(model: Any) -> None:
    trained = found(model, at="blocks.1.attn.hook_z", steps=1)
    assert trained.direction.vector.shape == (4, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str) -> None:
    model = own_model(kind)
    assert_left_as_it_was(model, lambda: found(model, steps=2), "blocks.2.hook_resid_post")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"at": "blocks.9.hook_mlp_out"}, HookNameError, "this model has blocks 0 to"),
        ({"at": "blocks.*.hook_mlp_out"}, HookNameError, "expected one hook point"),
        ({"texts": []}, DataError, "Expected texts that have the property"),
        ({"texts": ["film " * 65]}, DataError, "context holds 64"),
        ({"prompts": ["film"]}, DataError, "1 prompts and 6 texts"),
        ({"chat": ts.Chat()}, DataError, "needs prompts="),
        ({"held_out": 0.9, "texts": TEXTS[:1]}, DataError, "none to train on"),
        ({"top_k": 0}, SteerError, "top_k=0"),
        ({"sparsity": math.nan}, SteerError, "sparsity=nan"),
        ({"sparsity": -1.0}, SteerError, "sparsity=-1.0"),
        ({"learning_rate": 0.0}, SteerError, "learning_rate=0.0"),
    ],
)
def test_wrong_input_is_refused_before_the_model_runs(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = shared_model("bridge", "llama")

    def runs(acts: Any, hook: Any) -> None:
        pytest.fail("the model ran")

    with (
        model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", runs)]),
        pytest.raises(error, match=says),
    ):
        found(model, **changes)


def test_a_text_of_one_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_prepends_bos", lambda model: False)
    with pytest.raises(DataError, match="text 0 has one token"):
        found(shared_model("bridge", "llama"), ["film"])


def test_activations_that_are_not_finite_are_refused(model: Any) -> None:
    for name, says in ((AT, "the activations hold NaN"), ("blocks.2.hook_resid_post", "step 0")):
        with (
            model.hooks(fwd_hooks=[(name, lambda acts, hook: acts * math.nan)]),
            pytest.raises(NonFiniteError, match=says),
        ):
            found(model)
