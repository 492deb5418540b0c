"""Direct and indirect effects against plain torch hooks, and what must hold of them exactly."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import plain_model
from exchange_by_hand import acts_of, at
from kinds import one_architecture
from making import architecture_of, assert_same_state, direction, own_model, rows_of, state_of
from models import KINDS, tokenizer
from torch import Tensor

import tl_steer as ts
from tl_steer.causal._direct_effect import direct_effect
from tl_steer.causal._metrics import Divergence, LogitDifference, LogProbability, ProbeScore
from tl_steer.causal._path_effects import PathEffects, path_figure
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import DataError, HookNameError, MismatchError, SteerError

TEXTS = ["the film was very good", "a movie", "i loved it so much and the plot"]
METRIC = LogitDifference("great", "awful")
PLACES = (
    "blocks.0.hook_resid_pre",
    "blocks.0.hook_resid_mid",
    "blocks.1.hook_resid_post",
    "blocks.1.hook_attn_out",
    "blocks.0.hook_mlp_out",
    "blocks.0.attn.hook_z",
    "blocks.1.mlp.hook_post",
)
STRENGTH = 0.7


def found(model: Any, name: str = "blocks.0.hook_resid_post", **changes: Any) -> PathEffects:
    settings = {"strength": STRENGTH, "prepend_bos": False, "progress": False, **changes}
    metric = settings.pop("metric", METRIC)
    texts = settings.pop("texts", TEXTS)
    return direct_effect(model, texts, direction(model, name), metric, **settings)


@cache
def answers() -> tuple[int, int]:
    great, awful = (tokenizer()(word)["input_ids"][0] for word in ("great", "awful"))
    return great, awful


@torch.no_grad()
def read_out(model: Any, architecture: str, resid: Tensor) -> float:
    """The metric of a last residual stream: the final norm and the unembedding themselves."""
    norm = model.model.norm if architecture == "llama" else model.transformer.ln_f
    logits = model.lm_head(norm(resid))
    great, awful = answers()
    return float(logits[great] - logits[awful])


@torch.no_grad()
def written(model: Any, architecture: str, name: str, vector: Tensor) -> Tensor:
    """What an addition writes to the stream at once: through the output weights of its block."""
    block = (model.model.layers if architecture == "llama" else model.transformer.h)[
        int(name.split(".")[1])
    ]
    flat = vector.flatten()
    if name.endswith("hook_z"):
        return (
            block.self_attn.o_proj.weight @ flat
            if architecture == "llama"
            else flat @ block.attn.c_proj.weight
        )
    if name.endswith("mlp.hook_post"):
        return (
            block.mlp.down_proj.weight @ flat
            if architecture == "llama"
            else flat @ block.mlp.c_proj.weight
        )
    return flat


def by_hand(architecture: str, name: str, row: tuple[int, ...], vector: Tensor) -> list[float]:
    """The effects of one prompt, from the last residual stream and the outputs of later blocks.

    Nothing is frozen here: outputs are read in the plain and in the steered run, and put together.
    """
    model = plain_model(architecture)
    n_layers = len(model.model.layers if architecture == "llama" else model.transformer.h)
    layer, site = int(name.split(".")[1]), name.split(".", 2)[2]
    outs = [
        f"blocks.{n}.{kind}" for n in range(n_layers) for kind in ("hook_attn_out", "hook_mlp_out")
    ]
    own_attention = site in ("hook_resid_pre",)
    own_mlp = own_attention or site in ("hook_resid_mid", "hook_attn_out", "attn.hook_z")
    later = [
        out
        for out in outs
        if int(out.split(".")[1]) > layer
        or (int(out.split(".")[1]) == layer and ("attn" in out and own_attention))
        or (int(out.split(".")[1]) == layer and ("mlp" in out and own_mlp))
    ]
    last = f"blocks.{n_layers - 1}.hook_resid_post"
    resid = acts_of(model, architecture, row, last)[-1]
    plain = {out: acts_of(model, architecture, row, out)[-1] for out in later}
    with at(model, architecture, name, lambda acts: acts + vector.flatten()):
        steered = {out: acts_of(model, architecture, row, out)[-1] for out in later}
    reached = [read_out(model, architecture, resid)]
    resid = resid + written(model, architecture, name, vector)
    reached.append(read_out(model, architecture, resid))
    for out in later:
        resid = resid + steered[out] - plain[out]
        reached.append(read_out(model, architecture, resid))
    return np.diff(reached).tolist()


@pytest.mark.parametrize("name", PLACES)
def test_every_part_is_what_plain_hooks_find(model: Any, name: str) -> None:
    paths = found(model, name)
    vector = STRENGTH * direction(model, name).vector
    rows = rows_of(model, TEXTS)
    expected = torch.tensor([by_hand(architecture_of(model), name, row, vector) for row in rows]).T
    torch.testing.assert_close(paths.per_prompt, expected.double(), atol=2e-5, rtol=1e-4)
    assert float(expected.abs().min(1).values.max()) > 0.01


@pytest.mark.parametrize(
    "metric", [METRIC, LogProbability(["very dull", "bad", "so"]), Divergence()]
)
def test_the_parts_add_up_to_what_steering_does(model: Any, metric: Any) -> None:
    name = "blocks.0.hook_mlp_out"
    paths = found(model, name, metric=metric)
    total = steered_metric(model, name, metric) - steered_metric(model, name, metric, 0.0)
    torch.testing.assert_close(paths.per_prompt.sum(0), total, atol=1e-5, rtol=1e-5)
    effect = paths.summary["effect"]
    assert paths.total == pytest.approx(float(total.mean()), abs=1e-5)
    assert effect["direct"] + effect["indirect"] == pytest.approx(paths.total, abs=1e-12)
    assert effect["attention"] + effect["mlp"] == pytest.approx(effect["indirect"], abs=1e-12)
    assert paths.frame["effect"].sum() == pytest.approx(paths.total, abs=1e-12)
    assert paths.frame["share"].sum() == pytest.approx(1)


def steered_metric(model: Any, name: str, metric: Any, strength: float = STRENGTH) -> Tensor:
    """One prompt after the other, from log-probabilities of the steered model."""
    great, awful = answers()
    reached = []
    for prompt, row in enumerate(rows_of(model, TEXTS)):
        after: tuple[int, ...] = ()
        if isinstance(metric, LogProbability):
            after = rows_of(model, [metric.continuation[prompt]])[0]
        tokens = torch.tensor([row + after])
        with torch.no_grad():
            plain = model(tokens)[0].double().log_softmax(-1)
            with ts.steer(model, ts.Add(direction(model, name), strength)):
                now = model(tokens)[0].double().log_softmax(-1)
        end = len(row) - 1
        if isinstance(metric, Divergence):
            value = (plain[end].exp() * (plain[end] - now[end])).sum()
        elif after:
            value = sum(now[end + step, token] for step, token in enumerate(after))
        else:
            value = now[end, great] - now[end, awful]
        reached.append(float(value))
    return torch.tensor(reached, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_without_later_blocks_everything_is_direct(kind: str) -> None:
    model = own_model(kind)
    for name, parameter in model.named_parameters():
        later = any(f".{layer}." in name for layer in (1, 2, 3))
        if later and any(
            each in name for each in ("o_proj", "down_proj", "W_O", "W_out", ".o.", "mlp.out")
        ):
            parameter.data.zero_()
    paths = found(model)
    torch.testing.assert_close(paths.per_prompt[0], paths.per_prompt.sum(0), atol=1e-6, rtol=1e-6)
    assert float(paths.per_prompt[1:].abs().max()) == 0
    assert abs(paths.total) > 0.01


def test_after_the_last_block_everything_is_direct(model: Any) -> None:
    last = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    paths = found(model, last)
    assert list(paths.frame["part"]) == ["direct"]
    assert paths.direct == paths.total != 0


def test_at_zero_nothing_has_an_effect(model: Any) -> None:
    paths = found(model, strength=0.0)
    assert not bool(paths.per_prompt.any())
    assert paths.frame["share"].isna().all()


@one_architecture
def test_batches_change_nothing(model: Any) -> None:
    torch.testing.assert_close(
        found(model, max_tokens=9).per_prompt, found(model).per_prompt, atol=1e-5, rtol=1e-5
    )


def test_a_dose_is_a_strength_by_another_name(model: Any) -> None:
    one = direction(model, "blocks.0.hook_resid_post")
    dosed = found(model, strength=1.0, dose=0.3)
    assert dosed.strength == one.strength_for(dose=0.3)
    assert torch.equal(dosed.per_prompt, found(model, strength=dosed.strength).per_prompt)


def test_with_nothing_added_at_the_end_nothing_is_direct(model: Any) -> None:
    paths = found(model, scope=slice(0, 1), texts=TEXTS[2:])
    assert paths.direct == pytest.approx(0, abs=1e-6)
    assert abs(paths.total) > 1e-3


def test_a_probe_is_reached_through_what_comes_before_it(model: Any) -> None:
    probe = direction(model, "blocks.2.hook_resid_mid", seed=1)
    name = "blocks.0.hook_resid_post"
    paths = found(model, name, metric=ProbeScore(probe))
    assert list(paths.frame["hook_name"])[1:] == [
        "blocks.1.hook_attn_out",
        "blocks.1.hook_mlp_out",
        "blocks.2.hook_attn_out",
    ]
    # The stream is a sum: here the direct part is exactly what is added, along the probe.
    straight = STRENGTH * float(direction(model, name).vector @ probe.unit.vector)
    torch.testing.assert_close(
        paths.per_prompt[0], torch.full((3,), straight, dtype=torch.float64), atol=1e-5, rtol=1e-5
    )
    with pytest.raises(HookNameError, match="probe reads"):
        found(model, "blocks.2.hook_resid_post", metric=ProbeScore(probe))


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_left_as_it_was(kind: str, error: type[BaseException] | None) -> None:
    model = own_model(kind)
    before = state_of(model, generate=False)
    calls: list[int] = []

    def metric(logits: Tensor, prompts: Tensor) -> Tensor:
        calls.append(len(prompts))
        if error is not None and len(calls) == 3:
            raise error
        return logits[:, 0]

    if error is None:
        found(model, metric=metric)
    else:
        with pytest.raises(error):
            found(model, metric=metric)
    assert_same_state(state_of(model, generate=False), before)


def test_what_does_not_fit_is_refused(model: Any) -> None:
    with pytest.raises(HookNameError, match="no direct path"):
        found(model, "blocks.0.attn.hook_q")
    with pytest.raises(SteerError, match="one of them"):
        found(model, dose=0.1)
    with pytest.raises(DataError):
        found(model, texts=[])
    other = own_model("bridge", "gpt2" if architecture_of(model) == "llama" else "llama")
    with pytest.raises(MismatchError):
        direct_effect(model, TEXTS, direction(other, PLACES[0]), METRIC, progress=False)


def test_the_figure_shows_every_part(model: Any) -> None:
    paths = found(model)
    figure = path_figure(paths)
    assert figure_png(paths.plot()) == figure_png(figure)
    assert figure_png(figure, dpi=40).startswith(b"\x89PNG")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert sorted(heights) == pytest.approx(sorted(paths.frame["effect"]))
    staircase = figure.axes[1].lines[0].get_ydata()
    assert staircase[0] == pytest.approx(paths.direct)
    assert staircase[-1] == pytest.approx(paths.total)


def test_the_result_says_what_it_found(model: Any) -> None:
    paths = found(model)
    assert all(word in repr(paths) for word in ("total", "indirect", "blocks.0.hook_resid_post"))
    assert "<table" in paths._repr_html_()
    one = found(model, texts=TEXTS[0])
    assert one.frame["low"].isna().all()
