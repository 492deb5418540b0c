"""What steering and reading cost, as ratios within one run; printed, never judged.

``nox -s benchmarks`` runs these on the packaged model; on CUDA where there is one.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ratios import Runs, ratios

import tl_steer as ts
from tl_steer.cli.bench.decoding import PROMPTS

pytestmark = pytest.mark.packaged
SAMPLING = ts.Sampling(max_new_tokens=32, temperature=0.9, top_p=0.95, stop_at_eos=False)
Report = Callable[[str, Callable[[], object], Runs], None]


@pytest.fixture(scope="module")
def model() -> Any:
    made = ts.packaged_model(progress=False)
    # A bridge attaches a hook of its own when it is first read from.
    made.run_with_cache("a film")
    return made


@pytest.fixture(scope="module")
def reviews() -> ts.ContrastSet:
    return ts.rotten_tomatoes().sample(16, seed=0)


@pytest.fixture(scope="module")
def directions(model: Any, reviews: ts.ContrastSet) -> ts.Directions:
    acts = ts.capture(model, reviews, at="blocks.*.hook_resid_post", progress=False)
    return ts.mean_difference(acts)


@pytest.fixture
def report(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> Report:
    def run(title: str, base: Callable[[], object], others: Runs) -> None:
        found = benchmark.pedantic(lambda: ratios(base, others, rounds=5), rounds=1, iterations=1)
        benchmark.extra_info.update(found)
        threads, device = torch.get_num_threads(), "cuda" if torch.cuda.is_available() else "cpu"
        with capsys.disabled():
            print(f"\n{title} ({device}, {threads} threads, median of 5 rounds)")
            for name, ratio in found.items():
                print(f"  {name:<44} {ratio:.3f}")

    return run


def write(model: Any, prompts: list[str], steering: ts.Steering | None) -> Callable[[], object]:
    return lambda: ts.generate(model, prompts, steering, SAMPLING, progress=False)


@pytest.mark.parametrize("batch", [1, 8])
def test_steering(model: Any, directions: ts.Directions, report: Report, batch: int) -> None:
    one = directions["blocks.15.hook_resid_post"]
    everywhere = [ts.Add(direction, 0.01) for direction in directions.values()]
    generated = [ts.Add(each.direction, 0.01, scope=ts.generated) for each in everywhere]
    prompts = PROMPTS[:batch]
    report(
        f"steered generation over unsteered, batch {batch}",
        write(model, prompts, None),
        {
            "unsteered again": write(model, prompts, None),
            "one addition": write(model, prompts, ts.Steering(ts.Add(one, 1.0))),
            "one addition, generated tokens only": write(
                model, prompts, ts.Steering(ts.Add(one, 1.0, scope=ts.generated))
            ),
            "one addition, a strength for each row": write(
                model, prompts, ts.Steering(ts.Add(one, [1.0] * batch))
            ),
            "30 additions, one a layer": write(model, prompts, ts.Steering(*everywhere)),
            "30 additions, generated tokens only": write(model, prompts, ts.Steering(*generated)),
        },
    )


def test_entering_a_block(model: Any, directions: ts.Directions, report: Report) -> None:
    many = ts.Steering(*(ts.Add(direction, 0.01) for direction in directions.values()))
    tokens = torch.tensor([[504, 4771, 314]], device=next(model.parameters()).device)

    @torch.inference_mode()
    def bare() -> None:
        model(tokens)

    @torch.inference_mode()
    def block() -> None:
        with ts.steer(model, many):
            model(tokens)

    @torch.inference_mode()
    def hooks() -> None:
        model.run_with_hooks(tokens, fwd_hooks=many.fwd_hooks(model))

    report(
        "a forward pass of 3 tokens with 30 additions, over a bare one",
        bare,
        {"steer block": block, "run_with_hooks(fwd_hooks=…)": hooks},
    )


def test_capture(model: Any, reviews: ts.ContrastSet, report: Report) -> None:
    def read(**settings: Any) -> Callable[[], object]:
        return lambda: ts.capture(model, reviews, progress=False, **settings)

    def everything_cached() -> None:
        with torch.inference_mode():
            for text in reviews.texts:
                model.run_with_cache(text)

    deep = "blocks.*.hook_resid_post"
    report(
        "reading 32 reviews, over the residual stream at every layer",
        read(at=deep),
        {
            "only layer 15": read(at="blocks.15.hook_resid_post"),
            "residual stream and MLP outputs": read(at=[deep, "blocks.*.hook_mlp_out"]),
            "moments only": read(at=deep, moments_only=True),
            "massive activations kept (no second pass)": read(
                at=deep, leave_out=ts.activations.LeaveOut(massive=None)
            ),
            "padding waste: one batch of all": read(at=deep, max_tokens=1_000_000),
            "run_with_cache, text by text": everything_cached,
        },
    )
