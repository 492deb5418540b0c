"""On a model with a planted mechanism both methods find its layer and its head."""

from functools import cache
from typing import Any

import pytest
from models import KINDS

import tl_steer as ts
from tl_steer.causal._activation_patching import activation_patching
from tl_steer.causal._attribution_patching import attribution_patching
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitDifference
from tl_steer.causal._modes import Denoising, Noising
from tl_steer.causal._positions import EachPosition
from tl_steer.causal._sites import Site
from tl_steer.demo.planted import Planted, planted
from tl_steer.directions import Provenance
from tl_steer.lens.protocol import model_info

METRIC = LogitDifference("praise", "blame")
MLPS, HEADS = "blocks.*.hook_mlp_out", "blocks.*.attn.hook_z"
WRITES = Site("blocks.3.hook_mlp_out")
MOVES = Site("blocks.4.attn.hook_z", head=0)


@cache
def made(seed: int, kind: Any = "bridge") -> Planted:
    return planted(seed, kind=kind)


def localized(plant: Planted, **changes: Any) -> Localization:
    settings = {"at": MLPS, "progress": False, **changes}
    return localize(plant.model, plant.texts(4, seed=1, paired=True), METRIC, **settings)


@pytest.mark.parametrize("by", [activation_patching, attribution_patching])
@pytest.mark.parametrize("seed", range(20))
def test_the_layer_and_the_head_come_first(seed: int, by: Any) -> None:
    plant = made(seed)
    for at, truth in ((MLPS, WRITES), (HEADS, MOVES)):
        found = localized(plant, at=at, by=by)
        assert found.best() == (truth,)
        first, second = found.ranking["effect"].abs()[:2]
        assert first > 3 * second


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "compatible"])
@pytest.mark.parametrize("mode", [Denoising(), Noising()])
def test_nearly_all_goes_through_them(kind: str, mode: Any) -> None:
    found = localized(made(0, kind), at=[MLPS, HEADS], mode=mode)
    shares = dict(zip(found.sites, found.frame["share"], strict=True))
    assert shares[WRITES] == pytest.approx(1, abs=0.1)
    assert shares[MOVES] == pytest.approx(1, abs=0.1)
    assert (found.whole > 0) == isinstance(mode, Denoising)
    others = [share for site, share in shares.items() if site not in (WRITES, MOVES)]
    assert max(map(abs, others)) < 0.1


def test_it_is_written_at_the_words_of_the_class() -> None:
    plant = made(2)
    texts = plant.texts(1, seed=3, paired=True)
    found = localize(
        plant.model, texts, METRIC, at=WRITES.hook_name, positions=EachPosition(), progress=False
    )
    pairs = zip(texts.positive[0].split(), texts.negative[0].split(), strict=True)
    places = [place for place, (one, other) in enumerate(pairs) if one != other]
    assert {site.position for site in found.best(len(places))} == set(places)
    effects = found.per_prompt[:, 0].abs()
    others = [place for place in range(len(effects)) if place not in places]
    assert float(effects[places].min()) > 10 * float(effects[others].max())
    assert found.tokens[0] == tuple(texts.negative[0].split())


def test_the_planted_direction_carries_it_and_a_random_one_does_not() -> None:
    plant = made(1)
    name = plant.hook_name
    origin = Provenance(model_info(plant.model), "planted")
    truth = ts.Direction(plant.truth, name, 1.0, origin)
    along, beside = (
        float(localized(plant, at=name, along=each).frame["share"][0])
        for each in (truth, truth.random_like(0).orthogonal_to(truth))
    )
    assert along == pytest.approx(1, abs=0.2)
    assert abs(beside) < 0.1


def test_unpaired_texts_find_the_head_through_class_means() -> None:
    plant = made(0)
    texts = plant.texts(12, seed=5)
    acts = ts.capture(plant.model, texts, at=HEADS, read=ts.LastToken(), progress=False)
    for by in (activation_patching, attribution_patching):
        found = localize(
            plant.model, texts, METRIC, at=HEADS, mode=Denoising(means=acts), by=by, progress=False
        )
        assert found.best() == (MOVES,)
    assert found.whole > 0
