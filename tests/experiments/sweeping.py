"""A small model and a sweep over it, for workers and for processes that are killed."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from grouped import grouped
from making import direction, own_model

import tl_steer as ts
from tl_steer.experiments import Measures, Run
from tl_steer.experiments._sweep import sweep

AT = "blocks.1.hook_resid_post"
PROMPTS = ("the film was very good", "a movie", "i loved it so much")
SAMPLING = ts.Sampling(4, samples=2, stop_at_eos=False)


class Length:
    """A judge that counts letters."""

    name = "length"

    def __call__(self, texts: Any) -> list[float]:
        return [len(text) / 40 for text in texts]


def small() -> Any:
    """What a worker loads."""
    return own_model("bridge")


def swept(model: Any, folder: Any = None, **changes: Any) -> ts.experiments.SweepResult:
    if "directions" not in changes:
        maker = small() if callable(model) and not hasattr(model, "cfg") else model
        changes["directions"] = {
            "joy": direction(maker, AT),
            "noise": direction(maker, AT, seed=1),
        }
    settings: dict[str, Any] = {
        "strengths": [-2.0, 1.0, 3.0],
        "sampling": SAMPLING,
        "judges": Length(),
        "seeds": [0, 1],
        "rows": 12,
        "progress": False,
    } | changes
    directions = settings.pop("directions")
    asked = grouped({**settings, "folder": folder}, run=Run)
    if {"neutral", "relevance", "second"} & {*asked}:
        asked = grouped({**asked, "judges": [asked["judges"]]}, judges=Measures)
    return sweep(model, PROMPTS, directions, **asked)


if __name__ == "__main__":
    swept(small(), sys.argv[1])
