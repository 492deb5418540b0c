"""Seconds and bytes on a device, measured in turns."""

from collections.abc import Callable, Mapping
from time import perf_counter

import torch
from gpu_models import DEVICE, forget


def synchronised() -> None:
    """Wait for the device."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(run: Callable[[], object]) -> float:
    """Wall time of one run."""
    synchronised()
    began = perf_counter()
    run()
    synchronised()
    return perf_counter() - began


def in_turn(variants: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Times of each, all in every round, until the time is used up; a round at least."""
    until = perf_counter() + seconds
    found: dict[str, list[float]] = {name: [] for name in variants}
    for run in variants.values():
        run()
    while True:
        began = perf_counter()
        for name, run in variants.items():
            found[name].append(seconds_of(run))
        if perf_counter() + (perf_counter() - began) > until or len(found[name]) == 7:
            return found


def peak_of(run: Callable[[], object]) -> float:
    """Memory of one run, over what was there before."""
    if DEVICE.type != "cuda":
        return 0.0
    forget()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return round((torch.cuda.max_memory_allocated() - before) / 1e9, 4)
