"""What tl_steer does on one GPU, measured part by part; run by ``gpu.sh``.

Every figure is wall time between two synchronisations, the median of rounds in which all variants
run in turn. Each part has a time of its own, and is written to ``$OUT/gpu.json`` when it is done.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import gpu_models
import gpu_parts
import torch

OUT = Path(os.environ.get("OUT", "benchmarks/out"))
BEGAN = perf_counter()


class Report:
    """What has been measured so far, kept on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = {}

    def add(self, name: str, what: Any) -> None:
        """Keep the result of a part."""
        self.found[name] = what
        half = self.path.with_suffix(".part")
        half.write_text(json.dumps(self.found, indent=1))
        half.replace(self.path)
        print(f"[{perf_counter() - BEGAN:6.1f} s] {name}: {json.dumps(what)[:1500]}", flush=True)


def main() -> None:
    """Run the parts that are asked for, as long as there is time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tiny", action="store_true", help="tiny shapes, to try it on a CPU")
    options.add_argument("--seconds", type=float, default=460.0, help="for everything together")
    options.add_argument("--parts", default="", help="some parts only, by comma")
    asked = options.parse_args()
    parts = _parts(asked.tiny)
    wanted = [name for name in asked.parts.split(",") if name] or list(parts)
    report = Report(OUT / "gpu.json")
    for name in wanted:
        seconds, part = parts[name]
        left = asked.seconds - (perf_counter() - BEGAN)
        if left < 10:
            report.add(name, {"skipped": "no time is left"})
            continue
        try:
            report.add(name, part(min(seconds, left)))
        except Exception:
            # The other parts go on; what went wrong is in the report.
            report.add(name, {"failed": traceback.format_exc()[-3000:]})
        gpu_models.forget()


def _parts(tiny: bool) -> dict[str, tuple[float, Callable[[float], Any]]]:
    """In order of what would be missed most."""
    shapes = gpu_models.TINY if tiny else gpu_models.SHAPES
    small, middle, large = shapes
    return {
        "machine": (10, lambda seconds: gpu_parts.machine()),
        "tests": (110, _tests),
        f"decoding {small}": (50, lambda s: gpu_parts.decoding(small, s, tiny=tiny)),
        f"decoding {middle}": (50, lambda s: gpu_parts.decoding(middle, s, tiny=tiny)),
        f"graph {middle}": (30, lambda s: gpu_parts.graphed(middle, tiny=tiny)),
        f"profile {middle}": (20, lambda s: gpu_parts.profiled(middle, tiny=tiny)),
        f"capture {middle}": (35, lambda s: gpu_parts.capturing(middle, s, tiny=tiny)),
        f"sweep {middle}": (30, lambda s: gpu_parts.sweeping(middle, s, tiny=tiny)),
        f"decoding {large}": (80, lambda s: gpu_parts.decoding(large, s, tiny=tiny)),
        f"graph {large}": (30, lambda s: gpu_parts.graphed(large, tiny=tiny)),
        f"capture {small}": (20, lambda s: gpu_parts.capturing(small, s, tiny=tiny)),
    }


def _tests(seconds: float) -> Any:
    """The tests that are marked for a GPU, the contracts among them."""
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "tests/cuda", "-q", "-W", "default"]
    command += ["-p", "no:benchmark", "-p", "no:cacheprovider", "--tb=short", "-n", "6"]
    log = OUT / "tests.log"
    began = perf_counter()
    with log.open("w") as into:
        process = subprocess.Popen(command, stdout=into, stderr=subprocess.STDOUT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(20)
    text = log.read_text()
    return {
        "seconds": round(perf_counter() - began, 1),
        "exit": process.returncode,
        "last": text.strip().splitlines()[-1:],
        "failed": re.findall(r"^(?:FAILED|ERROR) .*", text, re.MULTILINE)[:40],
    }


if __name__ == "__main__":
    if not torch.cuda.is_available():
        print("no CUDA device: everything runs on the CPU, which proves nothing about speed")
    main()
