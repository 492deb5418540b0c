"""What localize leaves behind, what changes nothing, and what the result says."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kinds import one_architecture
from making import assert_same_state, own_model, state_of
from models import KINDS
from scipy.stats import bootstrap

import tl_steer as ts
from tl_steer.causal._activation_patching import activation_patching
from tl_steer.causal._attribution_patching import attribution_patching
from tl_steer.causal._intervals import intervals
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitDifference
from tl_steer.causal._modes import Noising, ZeroAblation
from tl_steer.causal._positions import EachPosition
from tl_steer.errors import ArgumentError, DataError

PAIRS = ts.ContrastSet(
    ["the film was very good", "a movie", "i loved it so much and the plot", "a great film"],
    ["the film was very bad", "a plot", "i hated it too much but the story", "a dull plot"],
    paired=True,
    name="pairs",
)
METRIC = LogitDifference("great", "awful")
Z, POST = "blocks.1.attn.hook_z", "blocks.1.hook_resid_post"
MID = "blocks.1.hook_resid_mid"
METHODS = [activation_patching, attribution_patching]


def localized(model: Any, contrast: ts.ContrastSet = PAIRS, **changes: Any) -> Localization:
    settings = {"at": [Z, MID, POST], "progress": False, "prepend_bos": False, **changes}
    return localize(model, contrast, settings.pop("metric", METRIC), **settings)


class StopError(Exception):
    """Raised in the middle."""


@pytest.mark.parametrize("error", [None, StopError, KeyboardInterrupt])
@pytest.mark.parametrize("by", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str, by: Any, error: type[BaseException] | None) -> None:
    model = own_model(kind)
    parameters = list(model.parameters())
    # Some frozen already, and a gradient that is the user's own.
    parameters[0].requires_grad_(False)
    kept = parameters[1].grad = torch.ones_like(parameters[1])
    before = state_of(model, generate=False)
    calls: list[int] = []

    def metric(logits: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        calls.append(len(prompts))
        # The second time the hooks of the exchange are on the model.
        if error is not None and len(calls) == 2:
            raise error
        return logits[:, 3]

    if error is None:
        localized(model, metric=metric, by=by)
    else:
        with pytest.raises(error):
            localized(model, metric=metric, by=by)
    assert_same_state(state_of(model, generate=False), before)
    assert parameters[1].grad is kept
    assert bool((kept == 1).all())


@pytest.mark.parametrize("by", METHODS)
def test_an_exchange_that_fails_leaves_no_hook(model: Any, by: Any) -> None:
    def fails(acts: Any, hook: Any) -> None:
        raise StopError

    # Behind the exchanged hook points, so that it fails while they are exchanged.
    last = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    with model.hooks(fwd_hooks=[(last, fails)]), pytest.raises(StopError):
        localized(model, by=by)
    assert localized(model, by=by).per_prompt.isfinite().all()


@one_architecture
@pytest.mark.parametrize("by", METHODS)
def test_batches_and_order_change_nothing(model: Any, by: Any) -> None:
    every = localized(model, by=by, positions=EachPosition())
    for max_tokens in (1, 40):
        some = localized(model, by=by, positions=EachPosition(), max_tokens=max_tokens)
        assert some.sites == every.sites
        torch.testing.assert_close(
            some.per_prompt, every.per_prompt, atol=1e-5, rtol=1e-4, equal_nan=True
        )
    order = [2, 0, 3, 1]
    turned = ts.ContrastSet(
        [PAIRS.positive[i] for i in order], [PAIRS.negative[i] for i in order], paired=True
    )
    other = localized(model, turned, by=by, positions=EachPosition(), at=[POST, Z, MID])
    assert other.sites == every.sites
    torch.testing.assert_close(
        other.per_prompt, every.per_prompt[:, order], atol=1e-5, rtol=1e-4, equal_nan=True
    )
    pd.testing.assert_series_equal(
        other.frame["effect"], every.frame["effect"], atol=1e-5, rtol=1e-4
    )


@one_architecture
def test_out_of_memory_halves_the_batch(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tl_steer.causal import _running as running

    expected = localized(model)
    whole = running.run_logits

    def small(model: Any, batch: Any) -> Any:
        if len(batch.tokens) > 2:
            raise torch.OutOfMemoryError("no more")
        return whole(model, batch)

    monkeypatch.setattr(running, "run_logits", small)
    for by in METHODS:
        found = localized(model, by=by)
        assert found.per_prompt.isfinite().all()
    torch.testing.assert_close(
        localized(model).per_prompt, expected.per_prompt, atol=1e-5, rtol=1e-4
    )


def test_hooks_of_the_user_act(model: Any) -> None:
    acts = ts.capture(model, PAIRS, at="blocks.0.hook_resid_post", progress=False)
    joy = ts.mean_difference(acts)["blocks.0.hook_resid_post"]
    plain = localized(model)
    with ts.steer(model, ts.Add(joy, 4.0)):
        steered = localized(model)
    assert not torch.allclose(plain.baseline, steered.baseline, atol=0.01)
    assert torch.equal(localized(model).per_prompt, plain.per_prompt)


def test_the_frame_says_what_the_numbers_are(model: Any) -> None:
    found = localized(model, positions=EachPosition())
    frame = found.frame
    assert list(frame) == [
        "hook_name", "layer", "site", "head", "position", "effect", "low", "high", "share",
        "prompts",
    ]  # fmt: skip
    assert len(frame) == len(found.sites) == len(found.per_prompt) == 8 * 6
    for site, row in zip(found.sites, frame.to_dict("records"), strict=True):
        assert site.hook_name == row["hook_name"]
        assert (site.layer, site.kind) == (row["layer"], row["site"])
        assert site.position == row["position"]
        assert (site.head is None and pd.isna(row["head"])) or site.head == row["head"]
    there = found.per_prompt.isfinite()
    assert list(frame["prompts"]) == there.sum(1).tolist()
    np.testing.assert_allclose(frame["effect"], found.per_prompt.nanmean(1))
    assert frame.loc[frame["prompts"] == 1, ["low", "high"]].isna().all(axis=None)
    several = frame[frame["prompts"] > 1]
    assert (several["low"] <= several["effect"] + 1e-12).all()
    assert (several["effect"] <= several["high"] + 1e-12).all()
    assert found.tokens[1] == ("a", "plot")
    assert found.prompts == PAIRS.negative


def test_shares_are_of_the_prompts_that_have_the_site(model: Any) -> None:
    found = localized(model, at="blocks.0.hook_resid_pre", positions=EachPosition())
    whole = localized(model, at="blocks.0.hook_resid_pre").per_prompt[0]
    there = found.per_prompt.isfinite()
    for number, share in enumerate(found.frame["share"]):
        effect = float(found.per_prompt[number][there[number]].sum())
        assert share == pytest.approx(effect / float(whole[there[number]].sum()), rel=1e-3)


def test_ranking_and_best_are_by_size(model: Any) -> None:
    found = localized(model)
    sizes = found.ranking["effect"].abs()
    assert sizes.is_monotonic_decreasing
    assert set(found.ranking["effect"]) == set(found.frame["effect"])
    best = found.best(3)
    assert [site.hook_name for site in best] == list(found.ranking["hook_name"][:3])
    assert found.best() == best[:1]
    with pytest.raises(DataError, match="expected 1 to 6, the number of sites"):
        found.best(7)
    with pytest.raises(ArgumentError, match=r"k=0\): expected a whole number of at least 1"):
        found.best(0)


def test_it_shows_itself(model: Any) -> None:
    found = localized(model, mode=Noising())
    text, page = repr(found), found._repr_html_()
    assert text.startswith("Localization by activation patching of 6 sites over 4 prompts; whole")
    assert str(found.best()[0]) in text
    assert "model" not in text
    assert "activation patching of 6 sites" in page
    assert found.best()[0].hook_name in page
    assert "share nan" in repr(localized(model, mode=ZeroAblation()))


def test_intervals_are_those_of_scipy() -> None:
    effects = torch.randn(3, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = intervals(effects, seed=0)
    for row, one, other in zip(effects.numpy(), low.tolist(), high.tolist(), strict=True):
        found = bootstrap((row,), np.mean, method="percentile", rng=np.random.default_rng(0))
        assert (one, other) == pytest.approx(tuple(found.confidence_interval), abs=0.03)
    again = intervals(effects, seed=0)
    assert torch.equal(torch.stack(again), torch.stack((low, high)))


def test_the_same_text_on_both_sides_has_no_effect(model: Any) -> None:
    same = ts.ContrastSet(PAIRS.positive, PAIRS.positive, paired=True)
    for by in METHODS:
        found = localized(model, same, by=by)
        assert float(found.per_prompt.abs().max()) < 1e-5
        assert abs(found.whole) < 1e-5
