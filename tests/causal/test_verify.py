"""What attribution says, and what patching finds."""

import warnings
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr

from tl_steer.causal._attribution_patching import attribution_patching
from tl_steer.causal._localization import Localization
from tl_steer.causal._localize import localize
from tl_steer.causal._metrics import LogitDifference
from tl_steer.causal._verify import (
    AttributionFailsWarning,
    _correlations,
    _problems,
    attribution_scatter,
    verify,
)
from tl_steer.demo.planted import Planted, planted
from tl_steer.drawing.rendering import figure_png
from tl_steer.errors import ArgumentError, DataError, SteerError

AT = ["blocks.*.hook_mlp_out", "blocks.*.attn.hook_z"]
METRIC = LogitDifference("praise", "blame")


@pytest.fixture(scope="module")
def plant() -> Planted:
    return planted(0)


def localized(plant: Planted, metric: Any = METRIC, **changes: Any) -> Localization:
    settings = {"at": AT, "by": attribution_patching, "progress": False, **changes}
    return localize(plant.model, plant.texts(5, seed=2, paired=True), metric, **settings)


def quiet(found: Localization, **changes: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AttributionFailsWarning)
        return verify(found, progress=False, **changes)


def test_it_patches_the_top_and_as_many_at_random(plant: Planted) -> None:
    found, true = localized(plant), localized(plant, by=localize_truly)
    verified = quiet(found, k=6, seed=3)
    frame = verified.frame
    assert list(frame["chosen"]) == ["top"] * 6 + ["random"] * 6
    names = list(zip(frame["hook_name"], frame["head"].fillna(-1), strict=True))
    assert len(set(names)) == 12
    best = [(site.hook_name, -1 if site.head is None else site.head) for site in found.best(6)]
    assert names[:6] == best
    for row, name in zip(frame.to_dict("records"), names, strict=True):
        (number,) = [
            number
            for number, site in enumerate(found.sites)
            if (site.hook_name, -1 if site.head is None else site.head) == name
        ]
        assert row["attribution"] == pytest.approx(found.frame["effect"][number])
        assert row["patching"] == pytest.approx(true.frame["effect"][number], abs=1e-5)
        assert row["low"] <= row["patching"] <= row["high"]
    expected = spearmanr(frame["attribution"], frame["patching"]).statistic
    assert verified.rank_correlation == pytest.approx(expected)
    assert -1 <= verified.low <= verified.high <= 1
    other = quiet(found, k=6, seed=4).frame
    assert list(other["hook_name"][:6]) == list(frame["hook_name"][:6])
    assert not other["attribution"][6:].equals(frame["attribution"][6:])
    assert figure_png(attribution_scatter(verified)) == figure_png(verified.plot())


def localize_truly(experiment: Any, **settings: Any) -> Any:
    from tl_steer.causal._activation_patching import activation_patching

    return activation_patching(experiment, **settings)


def test_where_attribution_holds_nothing_is_said(plant: Planted) -> None:
    verified = verify(localized(plant), k=1, progress=False)
    assert verified.problems.empty
    assert "attribution fails at 0" in repr(verified)
    assert "Verification of 2 sites" in verified._repr_html_()


def test_saturation_is_seen(plant: Planted) -> None:
    def saturated(logits: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        # Flat where the base run is, far from where the exchange leads.
        return torch.sigmoid(4 * plant.readout(logits))

    found = localized(plant, saturated, at=AT[0])
    with pytest.warns(AttributionFailsWarning, match="too small"):
        verified = verify(found, k=2, progress=False)
    problems = verified.problems
    assert "blocks.3.hook_mlp_out" in set(problems["hook_name"])
    assert set(problems["problem"]) == {"too small"}


def test_problems_are_named() -> None:
    measured = torch.tensor([10.0, 10.0, 10.0, 10.0, -0.5, 0.0])
    estimated = torch.tensor([6.0, 4.0, 21.0, -9.0, 0.5, 0.0])
    found = _problems(estimated, measured, factor=2.0, matters=0.1)
    assert found == ["", "too small", "too large", "sign", "", ""]
    # A sign that is as good as none is a matter of size.
    assert _problems(torch.tensor([-0.1]), torch.tensor([10.0]), 2.0, 0.1) == ["too small"]
    assert _problems(torch.zeros(2), torch.zeros(2), 2.0, 0.1) == ["", ""]


def test_one_prompt_has_a_correlation_and_no_interval(plant: Planted) -> None:
    found = localize(
        plant.model,
        plant.texts(1, paired=True),
        METRIC,
        at=AT,
        by=attribution_patching,
        progress=False,
    )
    verified = quiet(found, k=20)
    assert len(verified.frame) == len(found.sites)
    assert verified.rank_correlation > 0.5
    assert verified.low != verified.low
    assert verified.frame["low"].isna().all()


def test_effects_that_do_not_vary_have_no_correlation() -> None:
    same = torch.ones(1, 4, dtype=torch.float64)
    varies = torch.tensor([[3.0, 1.0, 2.0, 2.0]], dtype=torch.float64)
    assert bool(_correlations(same, varies).isnan())
    assert float(_correlations(varies, varies)) == pytest.approx(1)
    # A site that a sample lacks is left out of its ranks.
    lacking = torch.tensor([[3.0, torch.nan, 2.0, 5.0]], dtype=torch.float64)
    expected = spearmanr([3, 2, 5], [3, 2, 2]).statistic
    assert float(_correlations(lacking, varies)) == pytest.approx(expected)


def test_wrong_numbers_are_refused(plant: Planted) -> None:
    found = localized(plant, at=AT[0])
    with pytest.raises(DataError, match="expected 1 to 6, the number of sites"):
        verify(found, k=7)
    with pytest.raises(ArgumentError, match=r"k=0\): expected a whole number of at least 1"):
        verify(found, k=0)
    for wrong in ({"factor": 1.0}, {"matters": 0.0}, {"matters": 2.0}):
        with pytest.raises(SteerError, match="factor="):
            verify(found, **wrong)
