import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd
import pytest
import torch
from models import KINDS, hf_llama, small_model

import tl_steer as ts
from tl_steer.activations import _reader as reader
from tl_steer.directions import Provenance
from tl_steer.errors import DataError, HookNameError, SteerError
from tl_steer.lens.forward import run_to_layer
from tl_steer.lens.hook_points import attach, points
from tl_steer.lens.protocol import model_info

AT = "blocks.1.hook_resid_post"
SET = ts.ContrastSet(
    positive=["the film was great", "i loved this bright and good movie", "good music"],
    negative=["the film was awful", "you hated the dull movie very much", "bad acting it was"],
    name="small reviews",
)


def used(model: Any) -> Any:
    """A bridge puts hooks of its own on a model when it first runs; those are not ours."""
    model(torch.tensor([[3, 4]]))
    return model


@cache
def cached_model(kind: str) -> Any:
    return used(small_model(kind))


def acts_alone(model: Any, text: str, at: str = AT) -> torch.Tensor:
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    _, found = model.run_with_cache(torch.tensor([ids]), names_filter=at)
    return found[at][0].detach()


def state_of(model: Any) -> dict[str, Any]:
    """All hooks, flags and parameters of a model."""
    modules = {name: (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)
               for name, m in model.named_modules()}  # fmt: skip
    return {
        "hooks": {name: [list(each) for each in hooks] for name, hooks in modules.items()},
        "points": {name: len(point.fwd_hooks) for name, point in model.hook_dict.items()},
        "training": {name: module.training for name, module in model.named_modules()},
        "grad": {name: (p.requires_grad, p.grad is None) for name, p in model.named_parameters()},
        "sums": {name: p.double().sum().item() for name, p in model.named_parameters()},
    }


def no_memory_for(tokens: int) -> Callable[..., None]:
    def run(model: Any, batch: Any, last_layer: int) -> None:
        if batch.tokens.numel() > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory")
        run_to_layer(model, batch, last_layer)

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_a_capture_says_what_it_is_and_leaves_the_model_as_it_was(kind: str) -> None:
    model = cached_model(kind)
    before = state_of(model)
    found = ts.capture(model, SET, at=["blocks.{1,3}.hook_mlp_out", AT], progress=False)
    assert state_of(model) == before
    assert found.hook_names == ("blocks.1.hook_mlp_out", "blocks.3.hook_mlp_out", AT)
    assert found.model == model_info(model)
    assert found.counts(AT) == (3, 3)
    assert found[AT].shape == (6, 32)
    assert found[AT].dtype == torch.float32
    assert torch.equal(torch.cat([found.positive(AT), found.negative(AT)]), found[AT])
    assert "6 vectors at 3 hook points" in repr(found)
    assert "MeanOfTokens() of small reviews" in repr(found)
    assert "<table" in found._repr_html_()
    with pytest.raises(HookNameError, match=r"was not captured\. Available: blocks\.1\.hook"):
        found["blocks.0.hook_mlp_out"]


@pytest.mark.parametrize("kind", KINDS)
def test_heads_keep_their_axes(kind: str) -> None:
    model = cached_model(kind)
    at = "blocks.2.attn.hook_z"
    found = ts.capture(model, SET, at=at, progress=False)
    assert found[at].shape == (6, 4, 8)
    expected = torch.stack([acts_alone(model, text, at)[1:].mean(0) for text in SET.texts])
    torch.testing.assert_close(found[at], expected, rtol=1e-4, atol=1e-5)
    assert ts.mean_difference(found)[at].vector.shape == (4, 8)
    only = ts.capture(model, SET, at=at, progress=False, moments_only=True)
    assert only.site_shapes[at] == (4, 8)
    assert ts.mean_difference(only)[at].vector.shape == (4, 8)


@pytest.mark.parametrize(
    "how", [ts.MeanOfTokens(), ts.LastToken(), ts.activations.EveryToken()], ids=repr
)
def test_moments_are_those_of_the_vectors(how: Any) -> None:
    model = cached_model("bridge")
    options = {"at": "blocks.*.hook_resid_post", "read": how, "progress": False, "max_tokens": 99}
    # Over 256 vectors: some moments are merged before the end.
    many = ts.ContrastSet(SET.positive * 44, SET.negative * 43)
    vectors = ts.capture(model, many, **options)
    only = ts.capture(model, many, moments_only=True, **options)
    assert only.vectors == {}
    with pytest.raises(DataError, match="Only moments were kept"):
        only[AT]
    assert only.norms == pytest.approx(vectors.norms)
    pd.testing.assert_frame_equal(only.left_out, vectors.left_out)
    for name in vectors.hook_names:
        assert only.counts(name) == vectors.counts(name)
        for side in ("positive", "negative"):
            ours, theirs = (getattr(each.moments(name), side) for each in (only, vectors))
            assert ours.count == theirs.count
            torch.testing.assert_close(ours.mean, theirs.mean)
            torch.testing.assert_close(ours.covariance, theirs.covariance)
            assert not ours.mean.is_inference()
    directions = ts.mean_difference(only), ts.mean_difference(vectors)
    torch.testing.assert_close(directions[0][AT].vector, directions[1][AT].vector)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("at", "last"), [("blocks.1.hook_mlp_out", 1), ("blocks.0.attn.hook_z", 0)]
)
def test_the_model_stops_at_the_last_layer_that_is_needed(kind: str, at: str, last: int) -> None:
    model = cached_model(kind)
    names = [f"blocks.{layer}.hook_attn_out" for layer in range(4)]
    seen: set[int] = set()
    found = points(model, names)
    attached = [
        attach(found[name], lambda acts, hook, layer=layer: seen.add(layer))
        for layer, name in enumerate(names)
    ]
    try:
        ts.capture(model, SET, at=at, progress=False)
    finally:
        for each in attached:
            each.remove()
    assert seen == set(range(last + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_steered_model_is_read_as_it_is_steered(kind: str) -> None:
    model = cached_model(kind)
    shift = torch.linspace(-1, 1, 32)
    joy = ts.Direction(shift, AT, 1.0, Provenance(model_info(model), "made up"))
    options = {"at": [AT, "blocks.2.hook_resid_post"], "progress": False}
    before = ts.capture(model, SET, **options)
    with ts.steer(model, ts.Add(joy, 2.5)):
        during = ts.capture(model, SET, **options)
    after = ts.capture(model, SET, **options)
    torch.testing.assert_close(during[AT] - before[AT], (2.5 * shift).expand(6, -1))
    later = "blocks.2.hook_resid_post"
    assert (during[later] - before[later]).norm(dim=-1).min() > 1
    assert torch.equal(after[AT], before[AT])


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_and_no_flag_is_touched(kind: str) -> None:
    model = used(small_model(kind))
    parameters = dict(model.named_parameters())
    for number, parameter in enumerate(parameters.values()):
        parameter.requires_grad_(number % 2 == 0)
    before = state_of(model)
    found = ts.capture(model, SET, at="blocks.*.hook_resid_post", progress=False)
    assert state_of(model) == before
    for name in found.hook_names:
        assert not found[name].requires_grad
        # Tensors of inference mode could not be used in a probe that is trained.
        assert not found[name].is_inference()


@pytest.mark.parametrize("limit", [8, 13, 30])
def test_a_batch_without_memory_is_halved(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cached_model("bridge")
    options = {"at": "blocks.*.hook_resid_post", "progress": False}
    expected = ts.capture(model, SET, **options)
    monkeypatch.setattr(reader, "run_to_layer", no_memory_for(limit))
    found = ts.capture(model, SET, **options)
    for name in expected.hook_names:
        torch.testing.assert_close(found[name], expected[name])
        assert found.norms[name] == pytest.approx(expected.norms[name])
    pd.testing.assert_frame_equal(found.left_out, expected.left_out)


@pytest.mark.parametrize("massive", [None, 10.0])
def test_a_text_without_memory_is_told(
    massive: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cached_model("bridge")
    before = state_of(model)
    monkeypatch.setattr(reader, "run_to_layer", no_memory_for(3))
    with pytest.raises(SteerError, match="memory ran out on a single text"):
        ts.capture(
            model, SET, at=AT, progress=False, leave_out=ts.activations.LeaveOut(massive=massive)
        )
    assert state_of(model) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_hook_stays_when_a_pass_fails(kind: str, error: type[BaseException]) -> None:
    model = cached_model(kind)
    before = state_of(model)

    def fail(acts: torch.Tensor, hook: Any) -> None:
        raise error("in the middle")

    mine = attach(points(model, ["blocks.1.hook_resid_mid"])["blocks.1.hook_resid_mid"], fail)
    try:
        with pytest.raises(error, match="in the middle"):
            ts.capture(model, SET, at="blocks.*.hook_resid_post", progress=False)
    finally:
        mine.remove()
    assert state_of(model) == before


LONG = " ".join(["very"] * 65)


@pytest.mark.parametrize(
    ("texts", "options", "words"),
    [
        ([], {}, "at least one text, got none"),
        ("the film was great", {}, r"For one text, write \[text\]"),
        (["the film", LONG], {}, "text 1 has 65 tokens; this model's context holds 64"),
        (["very " * 64], {"prepend_bos": True}, "text 0 has 65 tokens"),
        (["the film", ""], {}, "text 1 has no token: ''"),
        (["the film", "great"], {}, "text 1 has no token left to read at any hook point: 'great'"),
        (["the film"], {"moments_only": True}, "needs a ContrastSet"),
        (["the film"], {"at": "blocks.4.hook_mlp_out"}, "this model has blocks 0 to 3"),
        (["the film"], {"at": "blocks.*.hook_nothing"}, "is not a hook name that can be steered"),
    ],
)
def test_bad_input_is_refused_before_the_model_runs(
    texts: Any, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "run_to_layer", lambda *args: pytest.fail("the model ran"))
    expected = HookNameError if "at" in options else DataError
    with pytest.raises(expected, match=words):
        ts.capture(cached_model("bridge"), texts, **{"at": AT, "progress": False, **options})


def test_one_token_is_enough_where_the_first_is_kept() -> None:
    model = cached_model("bridge")
    found = ts.capture(
        model, ["great"], at=AT, leave_out=ts.activations.LeaveOut(first=False), progress=False
    )
    torch.testing.assert_close(found[AT][0], acts_alone(model, "great")[0])


def test_what_is_no_transformer_lens_model_is_refused() -> None:
    with pytest.raises(SteerError, match=r"LlamaForCausalLM\. Wrap yours: Transf"):
        ts.capture(hf_llama(), SET, at=AT)


def test_texts_without_classes_have_vectors_but_no_difference() -> None:
    found = ts.capture(cached_model("bridge"), SET.texts, at=AT, progress=False)
    assert found[AT].shape == (6, 32)
    assert found.is_positive is None
    for ask in (ts.mean_difference, lambda acts: acts.positive(AT), lambda acts: acts.moments(AT)):
        with pytest.raises(DataError, match="These texts have no classes"):
            ask(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.data = "other"  # type: ignore[misc]


@pytest.mark.parametrize("progress", [False, True])
def test_the_bar_counts_texts(progress: bool, capfd: pytest.CaptureFixture[str]) -> None:
    ts.capture(cached_model("bridge"), SET, at=AT, progress=progress)
    assert ("6/6" in capfd.readouterr().err) is progress
