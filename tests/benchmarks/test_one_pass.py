"""One pass over the texts serves every estimator, at every layer: what that saves."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ratios import ratios

import tl_steer as ts

pytestmark = pytest.mark.packaged
AT = "blocks.{10..20}.hook_resid_post"
ESTIMATORS: tuple[Callable[[ts.Activations], ts.Directions], ...] = (
    ts.mean_difference,
    ts.directions.whitened_mean_difference,
    ts.principal_component,
    ts.logistic_probe,
)


def test_all_estimators(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = ts.packaged_model(progress=False)
    reviews = ts.rotten_tomatoes().sample(16, seed=0)

    def capture(at: str) -> ts.Activations:
        return ts.capture(model, reviews, at=at, progress=False)

    def one_pass() -> None:
        acts = capture(AT)
        for estimator in ESTIMATORS:
            estimator(acts)

    def one_pass_each() -> None:
        for estimator in ESTIMATORS:
            estimator(capture(AT))

    def one_pass_a_layer() -> None:
        for layer in range(10, 21):
            acts = capture(f"blocks.{layer}.hook_resid_post")
            for estimator in ESTIMATORS:
                estimator(acts)

    others = {
        "a pass for each estimator": one_pass_each,
        "a pass for each layer": one_pass_a_layer,
        "the pass alone": lambda: capture(AT),
    }
    found = benchmark.pedantic(lambda: ratios(one_pass, others, rounds=3), rounds=1, iterations=1)
    benchmark.extra_info.update(found)
    with capsys.disabled():
        threads = torch.get_num_threads()
        print(f"\n4 estimators at 11 layers of 32 reviews, over one pass ({threads} threads)")
        for name, ratio in found.items():
            print(f"  {name:<44} {ratio:.2f}")
