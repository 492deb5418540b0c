"""Whether this installation is one that tl_steer was tested with, and does what it should."""

import re
from importlib.metadata import requires
from typing import Any

import torch
from packaging.requirements import Requirement

from tl_steer.cli.own import Found
from tl_steer.data import packaged_model
from tl_steer.generation import generate
from tl_steer.lens.forward import run_logits
from tl_steer.lens.protocol import device_of
from tl_steer.lens.tokens import Batch
from tl_steer.lens.versions import versions

PROMPT = "Once upon a time, there was a little"


def doctor(*, with_model: bool) -> Found:
    """Look at versions and devices, and compare a text written with a cache and without.

    Args:
        with_model: Whether to write with the packaged model, which is fetched where it is lacking.
    """
    found = versions()
    bounds = {
        asked.name: asked.specifier
        for asked in map(Requirement, requires("tl_steer") or ())
        if asked.marker is None
    }
    lines: list[str] = []
    values: dict[str, Any] = {"versions": found, "untested": [], "devices": _devices()}
    for name, installed in found.items():
        bound = bounds.get(name)
        tested = bound is None or bound.contains(re.sub(r"\+.*", "", installed), prereleases=True)
        note = "" if bound is None else f"  ({bound}{'' if tested else ': NOT TESTED WITH THIS'})"
        lines.append(f"{name} {installed}{note}")
        if not tested:
            values["untested"].append(name)
    lines.append(f"devices: {', '.join(_devices())}")
    if with_model:
        model = packaged_model()
        texts = generate(model, PROMPT, max_new_tokens=8, temperature=0, progress=False)
        cached = texts.frame["tokens"].iloc[0]
        again = list(texts.frame["prompt_tokens"].iloc[0])
        for _ in cached:
            read = torch.tensor([again], device=device_of(model))
            with torch.inference_mode():
                logits = run_logits(model, Batch(read, torch.ones_like(read).bool()))
            again.append(int(logits[0, -1].argmax()))
        same = again[-len(cached) :] == list(cached)
        values["cache"] = same
        lines.append(
            "the packaged model writes the same with its cache and without: "
            f"{'yes' if same else 'NO: do not trust what it writes'}"
        )
    return Found("\n".join(lines), values)


def _devices() -> list[str]:
    cuda = [f"cuda:{n} {torch.cuda.get_device_name(n)}" for n in range(torch.cuda.device_count())]
    return ["cpu", *cuda]
