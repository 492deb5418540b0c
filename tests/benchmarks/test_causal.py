"""What attribution saves over the sweep of true patching; printed, never judged."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ratios import ratios

import tl_steer as ts
from tl_steer.causal import (
    EachPosition,
    LogitDifference,
    activation_patching,
    attribution_patching,
    localize,
    verify,
)

pytestmark = [
    pytest.mark.packaged,
    pytest.mark.filterwarnings("ignore:attribution fails at:UserWarning"),
]
NOUNS = ("film", "movie", "book", "song")
PAIRS = ts.ContrastSet(
    [f"I loved the {noun}. The {noun} was" for noun in NOUNS],
    [f"I hated the {noun}. The {noun} was" for noun in NOUNS],
    paired=True,
)
METRIC = LogitDifference(" great", " terrible")
STREAM, HEADS = "blocks.*.hook_resid_post", "blocks.*.attn.hook_z"


def test_attribution_against_patching(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = ts.packaged_model(progress=False)
    # A bridge attaches a hook of its own when it is first read from.
    model.run_with_cache("a film")

    def run(by: Any, **changes: Any) -> Callable[[], object]:
        settings = {"at": STREAM, "progress": False, **changes}
        return lambda: localize(model, PAIRS, METRIC, by=by, **settings)

    def confirmed() -> None:
        found = localize(
            model, PAIRS, METRIC, at=[STREAM, HEADS], by=attribution_patching, progress=False
        )
        verify(found, k=10, progress=False)

    one_layer = "blocks.15.hook_resid_post"
    others = {
        "attribution, heads at every layer": run(attribution_patching, at=HEADS),
        "attribution, both, and 20 sites verified": confirmed,
        "patching, one layer": run(activation_patching, at=one_layer),
        "patching, every layer": run(activation_patching),
        "patching, one layer, each position": run(
            activation_patching, at=one_layer, positions=EachPosition()
        ),
        "patching, heads at one layer": run(activation_patching, at="blocks.15.attn.hook_z"),
    }
    found = benchmark.pedantic(
        lambda: ratios(run(attribution_patching), others, rounds=3), rounds=1, iterations=1
    )
    benchmark.extra_info.update(found)
    threads, device = torch.get_num_threads(), "cuda" if torch.cuda.is_available() else "cpu"
    with capsys.disabled():
        print(f"\n4 pairs, over attribution at every layer's stream ({device}, {threads} threads)")
        for name, ratio in found.items():
            print(f"  {name:<44} {ratio:.2f}")
