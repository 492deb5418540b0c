"""The parts of the measurement on a GPU: decoding, capture, sweeps, and where time goes."""

import importlib.metadata
from collections.abc import Callable
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import torch
from gpu_clock import in_turn, peak_of, seconds_of, synchronised
from gpu_models import DEVICE, WORDS, load, prompts
from making import direction
from torch.profiler import ProfilerActivity, profile
from transformers import StaticCache

import tl_steer as ts
from tl_steer.batching import length_sorted
from tl_steer.lens.paths import host_for
from tl_steer.lens.tokens import pad, tokenize
from tl_steer.lens.twin_building import plain_model

PROMPT = 32
_bandwidth = [0.0]


def machine() -> dict[str, Any]:
    """What everything else is measured against."""
    large = torch.empty(2**28 if DEVICE.type == "cuda" else 2**20, dtype=torch.uint8, device=DEVICE)
    other = torch.empty_like(large)
    a = torch.randn([8192 if DEVICE.type == "cuda" else 256] * 2, device=DEVICE).bfloat16()

    def copies() -> None:
        for _ in range(20):
            other.copy_(large)

    def products() -> None:
        for _ in range(10):
            torch.mm(a, a)

    copies(), products()
    copied = min(seconds_of(copies) for _ in range(3))
    multiplied = min(seconds_of(products) for _ in range(3))
    _bandwidth[0] = 2 * 20 * large.numel() / copied
    return {
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu",
        "copy GB/s, read and written": _bandwidth[0] / 1e9,
        "bf16 product TFLOP/s": 10 * 2 * len(a) ** 3 / multiplied / 1e12,
        **{
            name: importlib.metadata.version(name)
            for name in ("torch", "transformers", "transformer-lens")
        },
    }


def steerings(model: Any) -> dict[str, ts.Steering | None]:
    """Nothing; an addition at one hook point; one at each block."""
    names = [f"blocks.{layer}.hook_resid_post" for layer in range(int(model.cfg.n_layers))]
    adds = [ts.Add(direction(model, name), 0.05) for name in names]
    return {
        "unsteered": None,
        "one addition": ts.Steering(adds[len(adds) // 2]),
        "an addition a block": ts.Steering(*adds),
    }


def decoding(name: str, seconds: float, *, tiny: bool) -> dict[str, Any]:
    """Text of a fixed length, against transformers' own ``generate`` on the same weights."""
    made = seconds_of(lambda: load(name))
    model, step = load(name).bridge, load(name).bytes_a_step
    plain = plain_model(model.original_model)
    new = 4 if tiny else 48
    sampling = ts.Sampling(new, temperature=0.0, stop_at_eos=False)
    several = steerings(model)
    found: dict[str, Any] = {"seconds to make it": made, "GB a step": step / 1e9}
    batches = (1, 2) if tiny else (1, 8, 64)
    until = perf_counter() + seconds - made
    for number, batch in enumerate(batches):
        texts = prompts(batch, PROMPT)
        ids = torch.tensor(tokenize(model, texts), device=DEVICE)

        def ours(texts: list[str], what: str, path: Any) -> Callable[[], object]:
            return lambda: ts.generate(
                model, texts, several[what], sampling, path=path, progress=False
            )

        def transformers(ids: torch.Tensor = ids) -> object:
            with torch.inference_mode():
                return plain.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=new,
                    min_new_tokens=new,
                    do_sample=False,
                )

        variants = {
            "transformers": transformers,
            **{f"twin, {what}": ours(texts, what, "twin") for what in several},
            "bridge, unsteered": ours(texts, "unsteered", "bridge"),
            "bridge, one addition": ours(texts, "one addition", "bridge"),
        }
        times = in_turn(variants, (until - perf_counter()) / (len(batches) - number))
        floor = new * step / _bandwidth[0] if _bandwidth[0] else float("nan")
        base = median(times["transformers"])
        found[f"batch {batch}"] = {
            "rounds": len(times["transformers"]),
            **{
                what: {
                    "tokens a second": round(batch * new / median(each), 1),
                    "over transformers": round(base / median(each), 3),
                    "least and most": [round(base / max(each), 3), round(base / min(each), 3)],
                    "share of the floor": round(floor / median(each), 3),
                    "peak GB": peak_of(variants[what]),
                }
                for what, each in times.items()
            },
        }
    return found


def capturing(name: str, seconds: float, *, tiny: bool) -> dict[str, Any]:
    """All residuals of 4,096 unequal texts, against a bare pass of the base model."""
    model = load(name).bridge
    count = 32 if tiny else 4096
    random = Random(0)
    texts = [" ".join(random.choices(WORDS, k=random.randint(8, 96))) for _ in range(count)]
    rows = tokenize(model, texts)
    limit = 256 if tiny else 32768
    plain = plain_model(model.original_model)

    @torch.inference_mode()
    def bare() -> None:
        for batch in length_sorted([len(row) for row in rows], max_tokens=limit):
            padded = pad([rows[i] for i in batch], side="right", pad_id=0).to(DEVICE)
            plain.base_model(padded.tokens, attention_mask=padded.real.long(), use_cache=False)

    middle = f"blocks.{int(model.cfg.n_layers) // 2}.hook_resid_post"
    asked: dict[str, dict[str, Any]] = {
        "twin, all residuals": {"at": "blocks.*.hook_resid_post", "path": "twin"},
        "twin, massive ones kept": {
            "at": "blocks.*.hook_resid_post",
            "path": "twin",
            "leave_out": ts.activations.LeaveOut(massive=None),
        },
        "twin, one in the middle": {"at": middle, "path": "twin"},
        "bridge, all residuals": {"at": "blocks.*.hook_resid_post", "path": "bridge"},
    }

    def read(settings: dict[str, Any]) -> Callable[[], object]:
        return lambda: ts.capture(model, texts, max_tokens=limit, progress=False, **settings)

    variants = {"bare": bare, **{what: read(settings) for what, settings in asked.items()}}
    times = in_turn(variants, seconds * 0.7)
    base = median(times["bare"])
    return {
        "tokens": sum(map(len, rows)),
        "rounds": len(times["bare"]),
        **{
            what: {
                "seconds": round(median(each), 3),
                "over bare": round(base / median(each), 3),
                "peak GB": peak_of(variants[what]),
            }
            for what, each in times.items()
        },
    }


def sweeping(name: str, seconds: float, *, tiny: bool) -> dict[str, Any]:
    """Nine strengths in one call, against a call for each."""
    model = load(name).bridge
    texts = prompts(2 if tiny else 8, PROMPT)
    sampling = ts.Sampling(4 if tiny else 32, temperature=0.0, stop_at_eos=False)
    what = direction(model, "blocks.1.hook_resid_post")
    conditions = {f"{n}": ts.Steering(ts.Add(what, 0.01 * n)) for n in range(-4, 5)}
    found: dict[str, Any] = {}
    for path in ("twin", "bridge"):

        def together(path: Any = path) -> None:
            ts.compare(model, texts, conditions, sampling, path=path, progress=False)

        def apart(path: Any = path) -> None:
            for steering in conditions.values():
                ts.generate(model, texts, steering, sampling, path=path, progress=False)

        times = in_turn({"together": together, "apart": apart}, seconds / 2)
        found[path] = {
            "apart over together": round(median(times["apart"]) / median(times["together"]), 2),
            "seconds together": round(median(times["together"]), 3),
        }
    return found


def profiled(name: str, *, tiny: bool) -> dict[str, Any]:
    """Kernels and waits of a step of decoding, batch 1."""
    model = load(name).bridge
    found: dict[str, Any] = {}
    for path in ("twin", "bridge"):
        for what, steering in steerings(model).items():
            new = 4 if tiny else 12
            greedy = ts.Sampling(new, temperature=0.0, stop_at_eos=False)

            def run(steering: Any = steering, greedy: Any = greedy, path: Any = path) -> None:
                ts.generate(model, prompts(1, 8), steering, greedy, path=path, progress=False)

            run()
            wall = seconds_of(run)
            kinds = [ProfilerActivity.CPU]
            if DEVICE.type == "cuda":
                kinds.append(ProfilerActivity.CUDA)
            with profile(activities=kinds) as seen:
                run()
                synchronised()
            events = seen.key_averages()
            waits = ("aten::_local_scalar_dense", "aten::nonzero", "cudaStreamSynchronize")
            found[f"{path}, {what}"] = {
                "ms a token": round(1e3 * wall / new, 3),
                "device ms a token": round(
                    sum(each.self_device_time_total for each in events) / 1e3 / new, 3
                ),
                "launches a token": sum(each.count for each in events if "LaunchKernel" in each.key)
                / new,
                **{key: sum(e.count for e in events if e.key == key) for key in waits},
            }
    return found


def graphed(name: str, *, tiny: bool) -> dict[str, Any]:
    """What a step costs over a static cache, as it is and as a CUDA graph: a limit to aim at."""
    model = load(name).bridge
    host_for(model)
    plain = plain_model(model.original_model)
    blocks = plain.base_model.layers
    vector = torch.randn(int(model.cfg.d_model), device=DEVICE, dtype=torch.bfloat16)
    strength = torch.full((1, 1), 0.001, device=DEVICE, dtype=torch.bfloat16)
    found: dict[str, Any] = {}
    for batch in (1,) if tiny else (1, 8, 64):
        for what, hooked in {"unsteered": [], "an addition a block": list(blocks)}.items():
            handles = [
                block.register_forward_hook(lambda module, args, out: out + strength * vector)
                for block in hooked
            ]
            try:
                found[f"batch {batch}, {what}"] = _steps(plain, name, batch, tiny)
            finally:
                for handle in handles:
                    handle.remove()
    return found


@torch.inference_mode()
def _steps(plain: Any, name: str, batch: int, tiny: bool) -> dict[str, Any]:
    length = 128
    cache = StaticCache(config=plain.config, max_cache_len=length)
    ids = torch.ones((batch, PROMPT), dtype=torch.long, device=DEVICE)
    position = torch.arange(PROMPT, device=DEVICE)[None]
    plain(ids, position_ids=position, past_key_values=cache, use_cache=True, logits_to_keep=1)
    token = torch.ones((batch, 1), dtype=torch.long, device=DEVICE)
    place = torch.full((1, 1), PROMPT, dtype=torch.long, device=DEVICE)
    columns = torch.arange(length, device=DEVICE)

    def step() -> torch.Tensor:
        mask = (columns <= place).view(1, 1, 1, length).expand(batch, 1, 1, length)
        logits = plain(
            token,
            attention_mask=mask,
            position_ids=place,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        token.copy_(logits.argmax(-1))
        place.add_(1)
        return logits

    def many(run: Callable[[], object]) -> float:
        for layer in cache.layers:
            layer.cumulative_length.fill_(PROMPT)
        place.fill_(PROMPT)
        return seconds_of(lambda: [run() for _ in range(4 if tiny else 40)]) / (4 if tiny else 40)

    many(step)
    found: dict[str, Any] = {"ms a step": round(1e3 * min(many(step) for _ in range(3)), 3)}
    if DEVICE.type == "cuda":
        graph = torch.cuda.CUDAGraph()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            step()
        best = min(many(graph.replay) for _ in range(3))
        found["ms a step, graph"] = round(1e3 * best, 3)
        found["share of the floor, graph"] = round(
            load(name).bytes_a_step / _bandwidth[0] / best, 3
        )
    return found
