"""Attribution against finite differences, taken with plain torch hooks in float64."""

from functools import cache
from typing import Any

import pytest
import torch
from exchange_by_hand import acts_of, at, logits, moved
from kinds import one_architecture
from making import SITES, direction, rows_of
from models import ARCHITECTURES, KINDS, small_model, tokenizer

import tl_steer as ts
from tl_steer.causal._attribution_patching import attribution_patching
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import Divergence, LogitDifference, LogProbability, ProbeScore
from tl_steer.causal._modes import Denoising, ZeroAblation
from tl_steer.causal._positions import AllPositions, EachPosition
from tl_steer.errors import SteerError

PAIRS = ts.ContrastSet(
    ["the film was very good", "a movie", "i loved it so much and the plot"],
    ["the film was very bad", "a plot", "i hated it too much but the story"],
    paired=True,
)
STEP = 1e-5


@cache
def precise_model(kind: str) -> Any:
    """GPT-2 computes in float64 throughout; Llama's own norm goes through float32."""
    model = small_model(kind, "gpt2")
    return model.to(torch.float64) if kind == "hooked" else model.double()


@cache
def plain() -> Any:
    return ARCHITECTURES["gpt2"]().double()


def attributed(model: Any, **changes: Any) -> Localization:
    settings = {
        "metric": LogitDifference("great", "awful"),
        "at": SITES,
        "by": attribution_patching,
        "prepend_bos": False,
        "progress": False,
        **changes,
    }
    return localize(model, PAIRS, **settings)


def slopes(
    model: Any, found: Localization, value: Any, *, zero: bool = False, units: Any = None
) -> torch.Tensor:
    """The derivative of a metric by how far each exchange goes, at the start."""
    expected = torch.full_like(found.per_prompt, torch.nan)
    own, theirs = rows_of(model, found.prompts), rows_of(model, PAIRS.positive)
    for number, site in enumerate(found.sites):
        for prompt, base in enumerate(own):
            if site.position is not None and site.position >= len(base):
                continue
            tokens = list(range(len(base))) if site.position is None else [site.position]
            head = slice(None)
            if site.head is not None:
                head = slice(8 * site.head, 8 * site.head + 8)
            unit = None
            if units is not None:
                unit = units[site.hook_name].vector.double().flatten()[head]
                unit = unit / unit.norm()
            source = acts_of(plain(), "gpt2", theirs[prompt], site.hook_name)[tokens]
            source = torch.zeros_like(source) if zero else source
            ends = []
            for share in (STEP, -STEP):
                edit = moved(source, tokens, head=head, unit=unit, share=share)
                with at(plain(), "gpt2", site.hook_name, edit):
                    ends.append(value(base))
            expected[number, prompt] = (ends[0] - ends[1]) / (2 * STEP)
    return expected


def gap(row: tuple[int, ...]) -> float:
    great, awful = (tokenizer()(word)["input_ids"][0] for word in ("great", "awful"))
    last = logits(plain(), row)[-1]
    return float(last[great] - last[awful])


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-8, equal_nan=True)
    assert float(expected.nan_to_num(0).abs().max()) > 0.1


@pytest.mark.parametrize("positions", [AllPositions(), EachPosition()], ids=["all", "each"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_derivative(kind: str, positions: Any) -> None:
    model = precise_model(kind)
    places = SITES if positions == AllPositions() else SITES[2:6:3]
    found = attributed(model, positions=positions, at=places)
    assert_close(found.per_prompt, slopes(model, found, gap))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_derivative_along_a_direction_and_towards_zero(kind: str) -> None:
    model = precise_model(kind)
    names = ["blocks.1.hook_resid_post", "blocks.1.attn.hook_z"]
    units = {name: direction(model, name) for name in names}
    found = attributed(model, at=names, along=ts.Directions(units))
    assert_close(found.per_prompt, slopes(model, found, gap, units=units))
    zeroed = attributed(model, at=names, mode=ZeroAblation())
    assert_close(zeroed.per_prompt, slopes(model, zeroed, gap, zero=True))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_derivative_of_every_metric(kind: str) -> None:
    model = precise_model(kind)
    name, later = "blocks.0.hook_mlp_out", "blocks.2.hook_resid_mid"
    probe = direction(model, later)
    unit = probe.vector.double() / probe.vector.double().norm()
    following = [int(token) for token in rows_of(model, ["the end"])[0]]

    def log_probability(row: tuple[int, ...]) -> float:
        each = logits(plain(), (*row, *following)).log_softmax(-1)[len(row) - 1 : -1]
        return float(each[range(2), following].sum())

    def projection(row: tuple[int, ...]) -> float:
        return float(acts_of(plain(), "gpt2", row, later)[-1] @ unit)

    def largest(row: tuple[int, ...]) -> float:
        return float(logits(plain(), row)[-1].logsumexp(-1))

    for metric, value in (
        (LogProbability("the end"), log_probability),
        (ProbeScore(probe), projection),
        (lambda given, prompts: given.logsumexp(-1), largest),
    ):
        found = attributed(model, metric=metric, at=name)
        assert_close(found.per_prompt, slopes(model, found, value))
        rows = rows_of(model, PAIRS.negative)
        assert found.baseline.tolist() == pytest.approx([value(row) for row in rows], rel=1e-6)


@one_architecture
def test_class_means_are_a_point_to_go_to(model: Any) -> None:
    name = "blocks.1.hook_resid_post"
    unpaired = ts.ContrastSet(PAIRS.positive, PAIRS.negative)
    acts = ts.capture(model, unpaired, at=name, prepend_bos=False, progress=False)
    settings: dict[str, Any] = {"at": name, "prepend_bos": False, "progress": False}
    metric, mode = LogitDifference("great", "awful"), Denoising(means=acts)
    whole = localize(model, unpaired, metric, mode=mode, by=attribution_patching, **settings)
    # What is linear may be taken apart: the component along v, and those along all others.
    parts = 0.0
    for row in torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(0))).Q:
        along = ts.Direction(row, name, 1.0, direction(model, name).provenance)
        part = localize(
            model, unpaired, metric, mode=mode, by=attribution_patching, along=along, **settings
        )
        parts += float(part.frame["effect"][0])
    assert parts == pytest.approx(float(whole.frame["effect"][0]), rel=1e-3, abs=1e-4)


def test_what_has_no_slope_is_refused(model: Any) -> None:
    with pytest.raises(SteerError, match="its slope is zero"):
        attributed(model, metric=Divergence())
    with pytest.raises(SteerError, match="not a differentiable function of the activations"):
        attributed(model, metric=lambda given, prompts: given.argmax(-1).double())


def test_inside_inference_mode_it_works_as_well(model: Any) -> None:
    outside = attributed(model)
    with torch.inference_mode():
        assert torch.equal(attributed(model).per_prompt, outside.per_prompt)
