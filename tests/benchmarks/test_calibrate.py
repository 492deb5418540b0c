"""The next tries of all directions share their batches: what that saves."""

from typing import Any

import pytest
import torch
from ratios import ratios

import tl_steer as ts
from tl_steer.demo.prompts import VALIDATION
from tl_steer.experiments import Calibration, Run, Search, calibrate

pytestmark = pytest.mark.packaged
SAMPLING = ts.Sampling(max_new_tokens=12, temperature=0.9, top_p=0.95)


def test_directions_together(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = ts.packaged_model(progress=False)
    judge = ts.sentiment_judge()
    acts = ts.capture(
        model,
        ts.rotten_tomatoes().sample(16, seed=0),
        at="blocks.{12..19}.hook_resid_post",
        progress=False,
    )
    joy = ts.mean_difference(acts)

    def run(directions: Any) -> Calibration:
        return calibrate(
            model,
            directions,
            judge,
            validation=VALIDATION[:4],
            search=Search(tries=2),
            sampling=SAMPLING,
            run=Run(progress=False),
        )

    others = {"one direction at a time": lambda: [run(each) for each in joy.values()]}
    found = benchmark.pedantic(
        lambda: ratios(lambda: run(joy), others, rounds=2), rounds=1, iterations=1
    )
    benchmark.extra_info.update(found)
    with capsys.disabled():
        threads = torch.get_num_threads()
        print(f"\n2 tries at 8 layers on 4 prompts, over all together ({threads} threads)")
        for name, ratio in found.items():
            print(f"  {name:<44} {ratio:.2f}")
