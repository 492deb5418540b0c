"""What strengths and conditions cost, as ratios to unsteered generation within one run."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ratios import ratios
from test_cost import PROMPTS, SAMPLING

import tl_steer as ts

pytestmark = pytest.mark.packaged
AT, PROBED = "blocks.15.hook_resid_post", "blocks.12.hook_resid_post"
PATTERNS = [f"blocks.{layer}.attn.hook_pattern" for layer in range(8, 15)]


@pytest.fixture(scope="module")
def ready() -> tuple[Any, ts.Activations]:
    model = ts.packaged_model(progress=False)
    model.run_with_cache("a film")
    reviews = ts.rotten_tomatoes().sample(24, seed=0)
    return model, ts.capture(model, reviews, at=[AT, PROBED], progress=False)


def steerings(acts: ts.Activations) -> dict[str, ts.Steering]:
    """All of them small, so that texts stay texts."""
    found = ts.mean_difference(acts)
    joy, probe = found[AT], found[PROBED]
    film = ts.Keywords("film", "movie")
    strengths = {
        "a number": 0.1,
        "linear decay": ts.strengths.LinearDecay(16, 0.1),
        "relative dose, token by token": ts.strengths.Dose(joy, 0.01),
        "hold the projection (PI)": ts.strengths.HoldProjection(
            joy, 1.0, integral=0.1, at_most=0.1
        ),
        "as needed": ts.strengths.ProbeGated.fit(0.1, probe, acts),
        "by attention to a keyword": ts.strengths.AttentionShare(film, PATTERNS, factor=0.1),
    }
    scopes = {
        "keywords": film,
        "a condition, token by token": ts.scopes.ProjectionAbove(probe, above=0.0),
        "a condition on the prompt": ts.scopes.PerPrompt(
            ts.scopes.ProjectionAbove(probe, above=0.0)
        ),
        "attends to a keyword": ts.scopes.AttendsTo(film, PATTERNS, above=0.1),
    }
    maps = {
        "ablate": ts.Ablate(joy, 0.1),
        "rotate": ts.interventions.Rotate(joy, joy.random_like(0), 10.0, 0.1),
        "norm kept": ts.interventions.KeepNorm(ts.Add(joy, 0.1)),
    }
    return {
        **{name: ts.Steering(ts.Add(joy, strength)) for name, strength in strengths.items()},
        **{name: ts.Steering(ts.Add(joy, 0.1, scope=scope)) for name, scope in scopes.items()},
        **{name: ts.Steering(one) for name, one in maps.items()},
    }


@pytest.mark.parametrize("batch", [1, 8])
def test_strengths_and_scopes(
    ready: tuple[Any, ts.Activations],
    batch: int,
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, acts = ready
    prompts = PROMPTS[:batch]

    def write(steering: ts.Steering | None) -> Callable[[], object]:
        return lambda: ts.generate(model, prompts, steering, SAMPLING, progress=False)

    others = {name: write(each) for name, each in steerings(acts).items()}
    found = benchmark.pedantic(
        lambda: ratios(write(None), others, rounds=3), rounds=1, iterations=1
    )
    benchmark.extra_info.update(found)
    with capsys.disabled():
        threads, device = torch.get_num_threads(), "cuda" if torch.cuda.is_available() else "cpu"
        print(f"\nover unsteered generation, batch {batch} ({device}, {threads} threads)")
        for name, ratio in found.items():
            print(f"  {name:<44} {ratio:.3f}")
