"""Runs of layers: one place and one strength, wherever an experiment takes a direction."""

from typing import Any

import pytest
import torch
from controls_of import REVIEWS
from making import direction, logits_of, shared_model

import tl_steer as ts
from tl_steer.controls import orthogonal_directions, random_directions, shuffled_directions
from tl_steer.directions import LayerRun
from tl_steer.dosing import NextTokenKL, mean_kl, strengths_at_kl
from tl_steer.errors import MismatchError, NonFiniteError
from tl_steer.lens.hook_names import resolve
from tl_steer.steering import along

SITE = "hook_resid_post"
PROMPTS = ["the film was", "a movie"]


def model() -> Any:
    return shared_model("bridge", "llama")


def directions(*layers: int, site: str = SITE, times: float = 1.0) -> ts.Directions:
    names = [f"blocks.{layer}.{site}" for layer in layers]
    return ts.Directions({name: times * direction(model(), name, 4) for name in names})


def test_its_hook_name_is_a_pattern_of_the_same_hook_points() -> None:
    run = LayerRun(directions(1, 2, 3, site="hook_mlp_out"))
    assert resolve(model(), run.hook_name) == tuple(run.directions)
    assert (run.layer, run.provenance) == (1, run.parts[0].provenance)
    assert LayerRun(directions(2)).hook_name == "blocks.2.hook_resid_post"


@pytest.mark.parametrize(
    "made",
    [
        lambda: ts.Directions({}),
        lambda: directions(1, 3),
        lambda: directions(2, 1),
        lambda: ts.Directions({**directions(1), **directions(2, site="hook_mlp_out")}),
    ],
    ids=["none", "gap", "order", "sites"],
)
def test_what_is_no_run_is_refused(made: Any) -> None:
    with pytest.raises(MismatchError, match="consecutive layers of one site"):
        LayerRun(made())


def test_it_steers_as_at_layers_does_and_a_dose_is_that_of_all_together() -> None:
    run = LayerRun(directions(1, 2, 3))
    with ts.steer(model(), ts.Steering.at_layers(run.directions, 1.5)):
        asked = logits_of(model())
    with ts.steer(model(), along(run, 1.5)):
        torch.testing.assert_close(logits_of(model()), asked, rtol=0, atol=0)
    assert run.strength_for(dose=run.dose(0.7)) == pytest.approx(0.7)
    assert run.dose(-2.0) == pytest.approx(2 * sum(each.dose() for each in run.parts) / 3)
    # Where all layers have one dose, it is the one that at_layers divides.
    even = ts.Directions({name: each / each.dose() for name, each in run.directions.items()})
    by_dose = ts.Steering.at_layers(even, dose=0.3).interventions.values()
    by_strength = along(LayerRun(even), LayerRun(even).strength_for(dose=0.3)).interventions
    for one, other in zip(by_dose, by_strength.values(), strict=True):
        assert one.strength == pytest.approx(other.strength)
    with pytest.raises(NonFiniteError, match="zero vector"):
        LayerRun(directions(1, 2, times=0.0)).strength_for(dose=0.1)


def test_controls_know_each_layer() -> None:
    run = LayerRun(directions(1, 2))
    (drawn,) = random_directions(run, 1)
    (right,) = orthogonal_directions(run, 1)
    for control in (drawn, right):
        assert isinstance(control, LayerRun)
        for part, own in zip(control.parts, run.parts, strict=True):
            assert part.norm == pytest.approx(own.norm, rel=1e-5)
        assert abs(control.parts[0].cosine(control.parts[1])) < 0.9
    for part, own in zip(right.parts, run.parts, strict=True):
        assert part.cosine(own) == pytest.approx(0, abs=1e-5)
    acts = ts.capture(model(), REVIEWS, at=[*run.directions], progress=False)
    (shuffled,) = shuffled_directions(run, acts, 1)
    for part, own in zip(shuffled.parts, run.parts, strict=True):
        (alone,) = shuffled_directions(own, acts, 1)
        assert torch.equal(part.vector, alone.vector)


def test_a_run_is_brought_to_a_kl() -> None:
    run = LayerRun(directions(1, 2))
    strengths, reached = strengths_at_kl(NextTokenKL.on(model(), PROMPTS), [run, -run], 0.05)
    for strength, kl, each in zip(strengths.tolist(), reached.tolist(), (run, -run), strict=True):
        assert kl == pytest.approx(0.05, rel=0.03)
        assert mean_kl(model(), PROMPTS, along(each, strength)) == pytest.approx(kl, rel=1e-3)
