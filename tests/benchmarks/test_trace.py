"""What a trace costs beside ``generate``, as ratios within one run; printed, never judged."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from ratios import ratios

import tl_steer as ts
from tl_steer.cli.bench.decoding import PROMPTS

pytestmark = pytest.mark.packaged
SAMPLING = ts.Sampling(max_new_tokens=32, temperature=0.9, top_p=0.95, stop_at_eos=False)


@pytest.fixture(scope="module")
def model() -> Any:
    return ts.packaged_model(progress=False)


@pytest.mark.parametrize("batch", [1, 8])
def test_trace(model: Any, batch: int, benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    layers = range(int(model.cfg.n_layers))
    width = int(model.cfg.d_model)
    every = [ts.Direction.of(torch.randn(width), at=n, model=model, scale=100.0) for n in layers]
    steering = ts.Add(every[15], dose=0.1)
    generate = partial(ts.generate, model, PROMPTS[:batch], steering, SAMPLING, progress=False)
    trace = partial(ts.trace, model, PROMPTS[:batch], steering, SAMPLING, progress=False)
    runs: dict[str, Callable[[], object]] = {
        "generate again": generate,
        "trace, one direction, without KL": partial(trace, directions=every[20], kl=False),
        "trace, one a layer, without KL": partial(trace, directions=every, kl=False),
        "trace, one direction, with KL": partial(trace, directions=every[20]),
    }
    found = benchmark.pedantic(lambda: ratios(generate, runs, rounds=5), rounds=1, iterations=1)
    benchmark.extra_info.update(found)
    with capsys.disabled():
        print(f"\nover generate, batch {batch} (median of 5 rounds)")
        for name, ratio in found.items():
            print(f"  {name:<44} {ratio:.3f}")
