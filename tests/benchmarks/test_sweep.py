"""Cells as rows of few batches, against a call of ``generate`` for each of them."""

from typing import Any

import pytest
import torch
from ratios import ratios

import tl_steer as ts
from tl_steer.demo.prompts import TEST

pytestmark = pytest.mark.packaged
AT = "blocks.17.hook_resid_post"
DOSES = (-0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2)
"""With no steering, nine strengths."""
SAMPLING = ts.Sampling(12, samples=4, temperature=0.9, top_p=0.95, stop_at_eos=False)


@pytest.mark.parametrize("scope", [ts.everywhere, ts.generated], ids=["everywhere", "generated"])
def test_nine_strengths(benchmark: Any, capsys: pytest.CaptureFixture[str], scope: Any) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = ts.packaged_model(device=device, progress=False)
    reviews = ts.rotten_tomatoes().sample(16, seed=0)
    joy = ts.mean_difference(ts.capture(model, reviews, at=AT, progress=False))[AT]
    conditions: dict[str, ts.Steering | None] = {"none": None} | {
        f"{dose}": ts.Steering(ts.Add(joy, joy.strength_for(dose=dose), scope=scope))
        for dose in DOSES
    }
    written: dict[str, list[Any]] = {}

    def together() -> None:
        found = ts.compare(model, TEST, conditions, SAMPLING, progress=False)
        written["together"] = found.frame["tokens"].tolist()

    def apart(prompts: tuple[str, ...]) -> list[Any]:
        found = []
        for steering in conditions.values():
            # One seed gives every call its own prompts' random numbers from the beginning.
            one = ts.generate(model, prompts, steering, SAMPLING, progress=False)
            found += one.frame["tokens"].tolist()
        return found

    def a_call_a_strength() -> None:
        written["a strength"] = apart(TEST)

    def a_call_a_cell() -> None:
        for prompt in TEST:
            apart((prompt,))

    others = {"a call a strength": a_call_a_strength, "a call a strength and prompt": a_call_a_cell}
    found = benchmark.pedantic(lambda: ratios(together, others, rounds=1), rounds=1, iterations=1)
    same = sum(a == b for a, b in zip(written["together"], written["a strength"], strict=True))
    benchmark.extra_info.update(found)
    with capsys.disabled():
        threads = torch.get_num_threads()
        print(
            f"\n9 strengths × 16 prompts × 4 samples, over compare ({device}, {threads} threads; "
            f"{same} of {len(written['together'])} texts the same)"
        )
        for name, ratio in found.items():
            print(f"  {name:<44} {ratio:.2f}")
