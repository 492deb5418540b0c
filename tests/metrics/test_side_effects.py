"""Side effects on neutral text, against plain Hugging Face passes."""

from typing import Any

import numpy as np
import pytest
import torch
from by_hand import logits_by_hand
from making import TEXTS, architecture_of, direction, rows_of, shared_model
from models import KINDS
from scipy.special import rel_entr, softmax

import tl_steer as ts
from tl_steer.errors import ArgumentError, DataError, MismatchError
from tl_steer.metrics._side_effects import neutral_kl, side_effects

AT = "blocks.1.hook_resid_post"


def by_hand(model: Any, add: Any) -> tuple[list[float], list[float], list[float]]:
    """KL, and negative log-likelihoods steered and not; ``add`` by the length of the text."""
    found = []
    for row in rows_of(model, TEXTS):
        kind = architecture_of(model)
        steered = logits_by_hand(kind, row, add(len(row))).double().numpy()
        before = logits_by_hand(kind, row).double().numpy()
        p, q = softmax(steered, -1), softmax(before, -1)
        nll = [-np.log(each[range(len(row) - 1), row[1:]]).sum() for each in (p, q)]
        found.append((rel_entr(p, q).sum(-1).mean(), *nll))
    return tuple(map(list, zip(*found, strict=True)))  # type: ignore[return-value]


def test_every_position_of_every_text(model: Any) -> None:
    joy = direction(model, AT)
    found = side_effects(model, TEXTS, ts.Steering(ts.Add(joy, 2.0)))
    kl, nll, before = by_hand(model, lambda n: [(AT, 2 * joy.vector, (0, None))])
    np.testing.assert_allclose(found.kl, kl, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(found.nll, nll, rtol=1e-3)
    np.testing.assert_allclose(found.unsteered_nll, before, rtol=1e-3)
    counts = [len(row) - 1 for row in rows_of(model, TEXTS)]
    assert found.n_tokens.tolist() == counts
    assert float(found.perplexity) == pytest.approx(np.exp(sum(nll) / sum(counts)), rel=1e-3)
    ratio = np.exp((sum(nll) - sum(before)) / sum(counts))
    assert float(found.perplexity_ratio) == pytest.approx(ratio, rel=1e-3)
    assert float(found.mean_kl) == pytest.approx(np.mean(kl), rel=2e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_tokens", [None, 1, 20])
def test_settings_share_passes_and_equal_those_alone(kind: str, max_tokens: int | None) -> None:
    model = shared_model(kind, "llama")
    joys = [direction(model, AT, seed=seed) for seed in (0, 0, 5)]
    strengths = [1.0, 0.0, -2.0]
    add = ts.Add([joy for joy in joys for _ in TEXTS], [each for each in strengths for _ in TEXTS])
    found = side_effects(model, TEXTS, ts.Steering(add), max_tokens=max_tokens)
    assert found.kl.shape == (9,)
    # Zero is nothing, but for the rounding of batches of other sizes.
    assert (found.kl.view(3, 3)[1].abs() < 1e-6).all()
    for setting, (joy, strength) in enumerate(zip(joys, strengths, strict=True)):
        alone = neutral_kl(model, TEXTS, ts.Steering(ts.Add(joy, strength)))
        torch.testing.assert_close(found.kl.view(3, 3)[setting], alone, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.mean_kl, found.kl.view(3, 3).mean(1))
    assert found.perplexity.shape == (3,)
    assert "3 texts, 3 settings" in repr(found)


def test_what_counts_as_generated() -> None:
    model = shared_model("bridge", "llama")
    joy = direction(model, AT)
    generated = ts.Steering(ts.Add(joy, 2.0, scope=ts.generated))
    assert neutral_kl(model, TEXTS, generated).abs().max() == 0
    found = neutral_kl(model, TEXTS, generated, prompt_tokens=2)
    kl, _, _ = by_hand(model, lambda n: [(AT, 2 * joy.vector, (2, None))])
    np.testing.assert_allclose(found, kl, rtol=2e-3, atol=1e-5)


def test_kl_is_not_negative_and_the_model_is_left_alone() -> None:
    model = shared_model("bridge", "llama")
    with torch.no_grad():
        before = model("the film was")
    steering = ts.Steering(ts.Add(direction(model, AT), 5.0))
    assert (neutral_kl(model, TEXTS, steering) > 0).all()
    with torch.no_grad():
        assert torch.equal(model("the film was"), before)


def test_what_is_refused() -> None:
    model = shared_model("bridge", "llama")
    joy = direction(model, AT)
    steering = ts.Steering(ts.Add(joy, 1.0))
    with pytest.raises(DataError, match="at least one text, got none"):
        neutral_kl(model, [], steering)
    with pytest.raises(DataError, match=r"text 1, .*, has only one token"):
        neutral_kl(model, ["the film", "film"], steering)
    with pytest.raises(ArgumentError, match="prompt_tokens=0"):
        neutral_kl(model, TEXTS, steering, prompt_tokens=0)
    with pytest.raises(MismatchError, match="settings for 4 rows and 3 texts"):
        neutral_kl(model, TEXTS, ts.Steering(ts.Add(joy, [1.0] * 4)))
    with pytest.raises(MismatchError):
        neutral_kl(shared_model("bridge", "gpt2"), TEXTS, steering)
