"""Ratios of two things' time, measured in turn within one run."""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

Runs = Mapping[str, Callable[[], object]]


def ratios(base: Callable[[], object], others: Runs, *, rounds: int) -> dict[str, float]:
    """Time of each of the others over that of the base: the median over rounds.

    All run once in every round, in turn, so that a machine that slows down slows all of them.
    """
    found: dict[str, list[float]] = {name: [] for name in others}
    runs = {"base": base, **others}
    for run in runs.values():
        run()
    for _ in range(rounds):
        seconds = {name: _seconds(run) for name, run in runs.items()}
        for name in others:
            found[name].append(seconds[name] / seconds["base"])
    return {name: median(each) for name, each in found.items()}


def _seconds(run: Callable[[], object]) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began
