"""Times of several things, measured in turn within one process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch

Runs = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Figure:
    """How one thing compares to another."""

    part: str
    name: str
    against: str
    """What it is compared to."""

    ratio: float
    """Time of the other over its own, so that more is faster: the median over rounds."""

    least: float
    most: float
    rounds: int
    seconds: float
    """Its own time; median."""

    note: str = ""


@dataclass(frozen=True)
class Clock:
    """What counts as time on a device."""

    device: torch.device
    rounds: int

    @property
    def name(self) -> str:
        """What is counted, in words."""
        return "wall time" if self.device.type == "cuda" else "processor seconds"

    def seconds(self, run: Callable[[], object]) -> float:
        """Time one run."""
        if self.device.type != "cuda":
            # Others on the machine slow this less than they slow a clock on the wall.
            began = process_time()
            run()
            return process_time() - began
        torch.cuda.synchronize(self.device)
        began = perf_counter()
        run()
        torch.cuda.synchronize(self.device)
        return perf_counter() - began

    def ratios(self, part: str, against: str, base: Callable[[], object], runs: Runs) -> list[Any]:
        """Run everything once in every round, in turn; a round before the first is not counted.

        Args:
            part: What is measured.
            against: What the base is.
            base: What the others are compared to.
            runs: The others, by name.
        """
        everything = {against: base, **runs}
        for run in everything.values():
            run()
        took = [
            {name: self.seconds(run) for name, run in everything.items()}
            for _ in range(self.rounds)
        ]
        return [
            self._figure(part, name, against, [(each[against], each[name]) for each in took])
            for name in everything
        ]

    def _figure(
        self, part: str, name: str, against: str, pairs: list[tuple[float, float]]
    ) -> Figure:
        found = [theirs / own for theirs, own in pairs]
        own = median(own for _, own in pairs)
        return Figure(part, name, against, median(found), min(found), max(found), len(found), own)
