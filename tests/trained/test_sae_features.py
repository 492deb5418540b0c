"""Features of sparse autoencoders, ranked by their effect."""

import warnings
from dataclasses import dataclass, field, replace
from math import isnan
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from kinds import one_architecture
from making import as_users_run_it, shared_model
from torch import Tensor

import tl_steer as ts
from tl_steer.errors import DataError, HookNameError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.hook_points import attach, points
from tl_steer.lens.unembedding import vocabulary_scores
from tl_steer.trained._sae_features import SaeFeatures, sae_features
from tl_steer.trained._sae_scores import input_score, score

GOOD, BAD = ("great", "good", "bright", "loved"), ("awful", "bad", "dull", "hated")
TEXTS = ts.ContrastSet(
    [f"the film was {word} and {other}" for word in GOOD for other in GOOD],
    [f"the film was {word} and so {other}" for word in BAD for other in BAD],
    name="films",
)
PROMPTS = ("the film is", "a long story")
LOUD, EFFECTIVE, DEAD = 0, 1, 2


@dataclass(eq=False)
class Fake:
    """An autoencoder of ``relu(h · W_enc)``, of nothing but what is asked of one."""

    W_dec: Tensor
    W_enc: Tensor
    hook_name: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def cfg(self) -> Any:
        return SimpleNamespace(hook_name=self.hook_name, **self.more)

    def encode(self, x: Tensor) -> Tensor:
        return (x @ self.W_enc).relu()


def last_place(model: Any) -> str:
    return f"blocks.{int(model.cfg.n_layers) - 1}.hook_resid_post"


def word(model: Any, text: str) -> int:
    return int(model.tokenizer(text, add_special_tokens=False)["input_ids"][0])


def captured(model: Any, place: str) -> ts.Activations:
    return ts.capture(model, TEXTS, at=place, read=ts.activations.EveryToken(), progress=False)


def planted(model: Any, features: int = 12) -> Fake:
    """One feature that is loud and does little, one that is quiet and says "music"."""
    place, width = last_place(model), int(model.cfg.d_model)
    joy = ts.mean_difference(captured(model, place))[place].vector
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(features, width, generator=generator)
    effect = vocabulary_scores(model, torch.eye(width))
    weak = torch.linalg.svd(effect).U[:, -1]
    rows[LOUD], rows[EFFECTIVE] = weak, effect[:, word(model, "music")]
    reads = 0.1 * torch.randn(width, features, generator=generator)
    reads[:, LOUD], reads[:, EFFECTIVE], reads[:, DEAD] = 5 * joy, 0.5 * joy, 0
    return Fake(rows, reads, place)


def found(model: Any, sae: Any, **options: Any) -> SaeFeatures:
    options = {"candidates": 12, "prompts": PROMPTS, "k": 3, "progress": False, **options}
    return sae_features(model, sae, TEXTS, **options)


def row(result: SaeFeatures, feature: int) -> Any:
    return result.frame.set_index("feature").loc[feature]


def test_the_one_that_acts_wins_over_the_one_that_is_active(model: Any) -> None:
    result = found(model, planted(model), candidates=[LOUD, EFFECTIVE], dose=3.0)
    assert list(result.frame["feature"]) == [EFFECTIVE, LOUD] == list(result.directions)
    loud, effective = row(result, LOUD), row(result, EFFECTIVE)
    assert loud["activation_positive"] > 5 * effective["activation_positive"] > 0
    assert loud["activation_max"] > 5 * effective["activation_max"]
    assert effective["tokens"][0] == "music"
    assert effective["output_score"] > max(0.5, 2 * loud["output_score"])
    assert effective["output_score"] > 2 * effective["unsteered_score"]


def test_candidates_are_those_that_are_more_active_in_the_positive_class(model: Any) -> None:
    sae = planted(model)
    result = found(model, sae, candidates=12)
    assert DEAD not in result.directions
    assert {LOUD, EFFECTIVE} <= set(result.directions)
    gap = result.frame["activation_positive"] - result.frame["activation_negative"]
    assert (gap > 0).all()
    assert list(found(model, sae, candidates=1).directions) == [LOUD]
    assert result.frame["output_score"].is_monotonic_decreasing


@torch.no_grad()
def test_activations_and_input_scores_are_those_of_the_texts_one_by_one(model: Any) -> None:
    """Averaged over tokens, then over texts; the first token is left out."""
    sae = planted(model)
    result = found(model, sae, candidates=[5, 6, 7, DEAD], k=15)
    own = vocabulary_scores(model, sae.W_dec).topk(15).indices
    means: dict[bool, list[Tensor]] = {True: [], False: []}
    largest, hits, active = torch.zeros(12), torch.zeros(12), torch.zeros(12)
    for text, positive in zip(TEXTS.texts, TEXTS.labels, strict=True):
        tokens = model.to_tokens(text, prepend_bos=False)
        _, cache = model.run_with_cache(tokens)
        features = sae.encode(cache[sae.hook_name][0, 1:])
        means[positive].append(features.mean(0))
        highest = features.max(0)
        largest = torch.maximum(largest, highest.values)
        said = tokens[0, 1:][highest.indices]
        hits += (highest.values > 0) & (said[:, None] == own).any(1)
        active += highest.values > 0
    for feature in (5, 6, 7):
        of_feature = row(result, feature)
        for column, positive in (("activation_positive", True), ("activation_negative", False)):
            expected = float(torch.stack(means[positive]).mean(0)[feature])
            assert of_feature[column] == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert of_feature["activation_max"] == pytest.approx(float(largest[feature]), rel=1e-3)
        assert of_feature["input_score"] == pytest.approx(float(hits[feature] / active[feature]))
    assert len(set(result.frame["input_score"].dropna())) > 1
    assert isnan(row(result, DEAD)["input_score"])


@torch.no_grad()
def test_the_output_score_is_that_of_the_paper(model: Any) -> None:
    """Computed as its authors do: sort the vocabulary, look every token up."""
    sae, dose = planted(model), 0.8
    result = found(model, sae, candidates=[3, 4], dose=dose)
    scale = captured(model, sae.hook_name).norms[sae.hook_name]
    best = vocabulary_scores(model, sae.W_dec).argsort(dim=1, descending=True)[:, :3]
    for feature in (3, 4):
        shift = dose * scale * sae.W_dec[feature] / sae.W_dec[feature].norm()
        for column, added in (("output_score", shift), ("unsteered_score", 0 * shift)):
            expected = [
                by_hand(model, sae.hook_name, each, added, best[feature]) for each in PROMPTS
            ]
            assert row(result, feature)[column] == pytest.approx(sum(expected) / 2, rel=1e-3)
        words = [model.tokenizer.decode([one]) for one in best[feature].tolist()]
        assert row(result, feature)["tokens"] == words


def by_hand(model: Any, place: str, prompt: str, shift: Tensor, own: Tensor) -> float:
    def add(acts: Tensor, hook: Any) -> Tensor:
        acts = acts.clone()
        acts[:, -1] += shift
        return acts

    handle = attach(points(model, [place])[place], add)
    try:
        logits = model(model.to_tokens(prompt, prepend_bos=False))[0, -1]
    finally:
        handle.remove()
    probabilities = logits.softmax(-1)
    order = probabilities.argsort(descending=True).tolist()
    ranks = [order.index(one) for one in own.tolist()]
    return float(probabilities[own].max()) * (1 - min(ranks) / len(order))


@one_architecture
def test_batches_do_not_matter(model: Any) -> None:
    sae = planted(model)
    one, other = (found(model, sae, max_tokens=limit).frame for limit in (8, 10_000))
    pd.testing.assert_frame_equal(one, other, rtol=1e-3)


def test_a_direction_is_the_row_in_activation_units(model: Any) -> None:
    sae = planted(model)
    result = found(model, sae, candidates=[LOUD, EFFECTIVE])
    direction = result.direction(EFFECTIVE)
    torch.testing.assert_close(direction.vector, sae.W_dec[EFFECTIVE])
    assert direction.scale == captured(model, sae.hook_name).norms[sae.hook_name]
    assert direction.provenance.method == "SAE feature 1"
    assert direction.provenance.data == "films"
    assert direction.provenance.read == "EveryToken()"
    direction.check_fits(model)
    with pytest.raises(DataError, match=r"feature 7 was not a candidate.*candidates=\[7\]"):
        result.direction(7)
    assert "music" in result._repr_html_()


def test_an_input_score_counts_the_texts_whose_strongest_token_is_one_of_its_own() -> None:
    activations = torch.tensor([1.0, 3.0, 2.0, 0.0, 5.0, 4.0, 0.0])
    texts, ids = torch.tensor([0, 0, 1, 1, 2, 2, 3]), torch.tensor([7, 8, 9, 7, 8, 9, 9])
    assert input_score(activations, texts, ids, torch.tensor([8])) == pytest.approx(2 / 3)
    assert input_score(activations, texts, ids, torch.tensor([8, 9])) == 1
    assert input_score(activations, texts, ids, torch.tensor([7])) == 0
    assert isnan(input_score(0 * activations, texts, ids, torch.tensor([7])))


def test_an_input_score_looks_at_the_hundred_most_active_texts() -> None:
    activations, texts = torch.arange(1.0, 151), torch.arange(150)
    ids = (texts >= 50).long()
    assert input_score(activations, texts, ids, torch.tensor([1])) == 1
    assert input_score(activations, texts, ids, torch.tensor([0])) == 0


def test_scores_lie_between_nothing_and_certainty() -> None:
    certain = torch.zeros(1, 10)
    certain[0, 4] = 1
    assert float(score(certain, torch.tensor([[4, 5]]))) == 1
    assert float(score(certain, torch.tensor([[5, 6]]))) == 0
    even = torch.tensor([[0.5, 0.3, 0.2]])
    assert float(score(even, torch.tensor([[2, 1]]))) == pytest.approx(0.3 * (1 - 1 / 3))


@pytest.mark.parametrize(("said", "asked"), [(True, None), (None, True)])
def test_texts_begin_as_the_autoencoder_was_trained(
    model: Any, said: bool | None, asked: bool | None
) -> None:
    sae = planted(model)
    sae.more["metadata"] = SimpleNamespace(prepend_bos=said)
    result = found(model, sae, candidates=[EFFECTIVE], prepend_bos=asked)
    assert "bos" in result.direction(EFFECTIVE).provenance.left_out


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], type[SteerError], str]] = {
    "no place": ({"hook_name": None}, {}, SteerError, "does not say where it belongs"),
    "no such layer": ({"hook_name": "blocks.31.hook_mlp_out"}, {}, HookNameError, "has blocks 0"),
    "several places": ({"hook_name": "blocks.*.hook_resid_post"}, {}, HookNameError, "one hook"),
    "heads": ({"hook_name": "blocks.0.attn.hook_z"}, {}, HookNameError, "no tokens can be read"),
    "a width": ({"W_dec": torch.ones(12, 7)}, {}, MismatchError, r"must be features × .* 12 × 7"),
    "a transcoder": (
        {"more": {"hook_name_out": "blocks.0.hook_mlp_out"}}, {}, MismatchError, "transcoder",
    ),
    "a normalisation": (
        {"more": {"normalize_activations": "expected_average_only_in"}}, {}, MismatchError,
        "Fold them into its weights first",
    ),
    "NaN": ({"W_enc": torch.full((32, 12), torch.nan)}, {}, NonFiniteError, "features hold NaN"),
    "a zero row": (
        {"W_dec": torch.zeros(12, 32)}, {"candidates": [1]}, NonFiniteError, "has no dose",
    ),
    "too many": ({}, {"candidates": 13}, DataError, "has 12 features"),
    "none": ({}, {"candidates": 0}, DataError, "has 12 features"),
    "no features": ({}, {"candidates": []}, DataError, "from 0 to 11"),
    "the same twice": ({}, {"candidates": [1, 1]}, DataError, "distinct features"),
    "a strange one": ({}, {"candidates": [1, 12]}, DataError, "from 0 to 11"),
    "silence": ({"W_enc": torch.zeros(32, 12)}, {}, DataError, "No feature is more active"),
    "no dose": ({}, {"dose": 0.0}, SteerError, "dose=0.0: expected a positive number"),
    "no tokens": ({}, {"k": 0}, SteerError, "k=0.: expected a whole number of at least 1"),
    "too many tokens": ({}, {"k": 1000}, SteerError, "k=1000: expected 1 to"),
    "at least one": ({}, {"prompts": []}, SteerError, "at least one"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str) -> None:
    changes, options, error, message = REFUSED[name]
    model = shared_model("bridge", "llama")
    sae = replace(planted(model), **changes)
    with as_users_run_it(), pytest.raises(error, match=message):
        found(model, sae, **options)


def test_what_is_no_autoencoder_is_refused() -> None:
    model = shared_model("bridge", "llama")
    with as_users_run_it(), pytest.raises(SteerError, match="a sparse autoencoder, got an empty"):
        found(model, {})


@pytest.mark.parametrize("kind", ["none", "constant_norm_rescale", "layer_norm"])
@torch.no_grad()
def test_autoencoders_of_sae_lens(model: Any, kind: str) -> None:
    with warnings.catch_warnings():
        # It imports parts of TransformerLens that warn of their end, and libraries that do.
        warnings.simplefilter("ignore")
        sae_lens = pytest.importorskip("sae_lens")
        place = last_place(model)
        torch.manual_seed(0)
        sae = sae_lens.StandardSAE(
            sae_lens.StandardSAEConfig(
                d_in=32, d_sae=48, normalize_activations=kind, apply_b_dec_to_input=True,
                metadata=sae_lens.saes.sae.SAEMetadata(hook_name=place),
            )
        )  # fmt: skip
    sae.W_dec.copy_(torch.randn(48, 32))
    sae.b_dec.copy_(torch.randn(32))
    result = found(model, sae, candidates=6)
    assert len(result.frame) == 6
    vectors = captured(model, place)[place]
    before = sae.decode(sae.encode(vectors))
    for feature, direction in result.directions.items():
        # What raising the feature by 1 adds to what it decodes, on average.
        raised = sae.encode(vectors)
        raised[:, feature] += 1
        expected = (sae.decode(raised) - before).mean(0)
        torch.testing.assert_close(direction.vector, expected, rtol=1e-3, atol=1e-4)
    assert all(parameter.grad is None for parameter in sae.parameters())
