"""Activation patching against plain torch hooks, one site and one prompt at a time."""

from functools import cache
from typing import Any

import pytest
import torch
from by_hand import plain_model
from exchange_by_hand import acts_of, at, logits, moved
from making import SITES, architecture_of, direction, rows_of
from torch import Tensor

import tl_steer as ts
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitDifference
from tl_steer.causal._modes import Denoising, MeanAblation, Mode, Noising, ZeroAblation
from tl_steer.causal._positions import AllPositions, AtPosition, EachPosition
from tl_steer.causal._sites import Site

PAIRS = ts.ContrastSet(
    ["the film was very good", "a movie", "i loved it so much and the plot"],
    ["the film was very bad", "a plot", "i hated it too much but the story"],
    paired=True,
)
METRIC = LogitDifference("great", "awful")
Z = "blocks.1.attn.hook_z"
POST = "blocks.1.hook_resid_post"


def localized(model: Any, contrast: ts.ContrastSet = PAIRS, **changes: Any) -> Localization:
    settings = {"at": SITES, "prepend_bos": False, "progress": False, **changes}
    return localize(model, contrast, METRIC, **settings)


def gap(architecture: str, row: tuple[int, ...]) -> float:
    last = logits(plain_model(architecture), row)[-1].double()
    return float(last[answers()[0]] - last[answers()[1]])


@cache
def answers() -> tuple[int, int]:
    from models import tokenizer

    great, awful = (tokenizer()(word)["input_ids"][0] for word in ("great", "awful"))
    return great, awful


def effect_by_hand(
    architecture: str,
    site: Site,
    base: tuple[int, ...],
    source: Tensor,
    *,
    unit: Tensor | None = None,
) -> float:
    """Of one site on one prompt; the source has a row for every token of the prompt."""
    everything = list(range(len(base)))
    tokens = everything if site.position is None else [everything[site.position]]
    head = slice(None)
    if site.head is not None:
        head = slice(8 * site.head, 8 * site.head + 8)
        unit = None if unit is None else unit[head]
    unit = None if unit is None else unit / unit.norm()
    edit = moved(source[tokens], tokens, head=head, unit=unit)
    with at(plain_model(architecture), architecture, site.hook_name, edit):
        after = gap(architecture, base)
    return after - gap(architecture, base)


def compare(found: Localization, model: Any, bases: Any, sources: Any, units: Any = None) -> None:
    """Every effect on every prompt; ``sources`` gives what a prompt is given at a hook name."""
    architecture = architecture_of(model)
    expected = torch.full_like(found.per_prompt, torch.nan)
    for number, site in enumerate(found.sites):
        for prompt, base in enumerate(rows_of(model, bases)):
            there = site.position is None or -len(base) <= site.position < len(base)
            if there:
                source = sources(prompt, site.hook_name)
                unit = None if units is None else units[site.hook_name].vector.flatten()
                expected[number, prompt] = effect_by_hand(
                    architecture, site, base, source, unit=unit
                )
    torch.testing.assert_close(found.per_prompt, expected, atol=1e-5, rtol=1e-5, equal_nan=True)
    assert float(expected.nan_to_num(0).abs().max()) > 0.01


def partners(model: Any, texts: Any) -> Any:
    rows, architecture = rows_of(model, texts), architecture_of(model)
    return lambda prompt, name: acts_of(plain_model(architecture), architecture, rows[prompt], name)


def test_denoising_is_what_plain_hooks_do(model: Any) -> None:
    found = localized(model)
    assert len(found.sites) == len(SITES) + 3
    compare(found, model, PAIRS.negative, partners(model, PAIRS.positive))


def test_noising_is_what_plain_hooks_do(model: Any) -> None:
    found = localized(model, mode=Noising(), at=[POST, Z])
    compare(found, model, PAIRS.positive, partners(model, PAIRS.negative))


@pytest.mark.parametrize("from_end", [False, True])
def test_each_position_is_a_site(model: Any, from_end: bool) -> None:
    found = localized(model, at=[POST, Z], positions=EachPosition(from_end))
    positions = [site.position for site in found.sites if site.hook_name == POST]
    assert positions == list(range(-8, 0) if from_end else range(8))
    assert list(found.frame["prompts"])[:8] == ([1, 1, 1, 2, 2, 2, 3, 3][:: 1 if from_end else -1])
    compare(found, model, PAIRS.negative, partners(model, PAIRS.positive))


def test_pairs_of_unequal_length_meet_at_the_end(model: Any) -> None:
    unequal = ts.ContrastSet(
        ["it was so very good", "a great film"], ["was dull", "this was a bad movie"], paired=True
    )
    found = localized(model, unequal, at=POST, positions=EachPosition(from_end=True))
    assert [site.position for site in found.sites] == [-3, -2, -1]
    assert list(found.frame["prompts"]) == [1, 2, 2]
    own, theirs = (rows_of(model, side) for side in (unequal.negative, unequal.positive))
    raw = partners(model, unequal.positive)

    def aligned(prompt: int, name: str) -> Tensor:
        acts = raw(prompt, name)
        shift = len(own[prompt]) - len(theirs[prompt])
        rows = [max(token - shift, 0) for token in range(len(own[prompt]))]
        return acts[rows]

    compare_some = found.per_prompt.clone()
    for number, site in enumerate(found.sites):
        for prompt, base in enumerate(own):
            if min(len(base), len(theirs[prompt])) >= -int(site.position or 0):
                expected = effect_by_hand(architecture_of(model), site, base, aligned(prompt, POST))
                assert float(found.per_prompt[number, prompt]) == pytest.approx(expected, abs=1e-5)
                compare_some[number, prompt] = torch.nan
    assert bool(compare_some.isnan().all())
    assert bool(found.per_prompt[0].isnan().any())


def test_along_a_direction_only_that_component_is_exchanged(model: Any) -> None:
    units = ts.Directions({name: direction(model, name) for name in (POST, Z)})
    found = localized(model, at=[POST, Z], along=units, positions=AtPosition(-1))
    compare(found, model, PAIRS.negative, partners(model, PAIRS.positive), units)


def test_one_direction_serves_every_hook_point_of_its_width(model: Any) -> None:
    one = direction(model, POST)
    both = ["blocks.0.hook_mlp_out", POST]
    found = localized(model, at=both, along=one)
    each = localized(model, at=both, along=ts.Directions(dict.fromkeys(both, one)))
    assert torch.equal(found.per_prompt, each.per_prompt)


@pytest.fixture
def acts(model: Any) -> ts.Activations:
    return ts.capture(model, PAIRS, at=[POST, Z], prepend_bos=False, progress=False)


@pytest.mark.parametrize("which", ["denoising", "noising", "mean", "zero"])
def test_points_are_put_in_at_every_token(model: Any, acts: ts.Activations, which: str) -> None:
    mode: Mode = {
        "denoising": Denoising(means=acts),
        "noising": Noising(means=acts),
        "mean": MeanAblation(acts),
        "zero": ZeroAblation(),
    }[which]
    unpaired = ts.ContrastSet(PAIRS.positive, PAIRS.negative)
    found = localized(model, unpaired, at=[POST, Z], mode=mode)

    def point(prompt: int, name: str) -> Tensor:
        sides = {
            "denoising": acts.positive(name).mean(0),
            "noising": acts.negative(name).mean(0),
            "mean": acts[name].mean(0),
            "zero": torch.zeros_like(acts[name][0]),
        }
        return sides[which].flatten().expand(8, -1)

    bases = PAIRS.negative if which == "denoising" else PAIRS.positive
    compare(found, model, bases, point)
    both = [
        sum(gap(architecture_of(model), row) for row in rows_of(model, side)) / 3
        for side in (PAIRS.positive, PAIRS.negative)
    ]
    whole = {"denoising": both[0] - both[1], "noising": both[1] - both[0]}.get(which)
    if whole is None:
        assert found.frame["share"].isna().all()
    else:
        assert found.whole == pytest.approx(whole, abs=1e-5)


def test_exchanging_everything_brings_the_whole_difference(model: Any) -> None:
    found = localized(model, at="blocks.0.hook_resid_pre")
    assert float(found.frame["share"][0]) == pytest.approx(1, abs=1e-4)
    assert found.whole == pytest.approx(float(found.frame["effect"][0]), abs=1e-5)
    architecture = architecture_of(model)
    by_hand = [gap(architecture, row) for row in rows_of(model, PAIRS.negative)]
    assert found.baseline.tolist() == pytest.approx(by_hand, abs=1e-5)
    assert localized(model, at=POST, positions=AllPositions()).whole == found.whole
