"""Small studies, each made once."""

from functools import cache
from typing import Any

from calibrating import LOOSE, SAMPLING, VALIDATION
from controls_of import INSTRUCTION, JUDGE, Share, activations, model_of
from grouped import grouped
from making import direction

import tl_steer as ts
from tl_steer.experiments import Measures, Run, Search
from tl_steer.reports import StudyResults

HERE, THERE = "blocks.1.hook_resid_post", "blocks.0.hook_resid_post"
TEST = {"plain": ("this story", "the actor was not", "you saw"), "sour": ("it was awful", "bad")}
CONTROLS = {"kl": 0.05, "n_random": 2, "n_orthogonal": 1, "instruction": INSTRUCTION}
WORDS = Share("awful", "bad")


def directions(model: Any) -> dict[str, Any]:
    several = {name: direction(model, name, 2) for name in (THERE, HERE)}
    return {"first": several, "second": direction(model, HERE, 5)}


def studied(model: Any = None, **changes: Any) -> StudyResults:
    own = model or model_of("bridge")
    given: dict[str, Any] = {
        "directions": directions(own if hasattr(own, "cfg") else model_of("bridge")),
        "validation": VALIDATION,
        "test": TEST,
        "controls": ts.experiments.Controls(**CONTROLS),
        "constraints": LOOSE,
        "doses": (-0.1, 0.1),
        "tries": 2,
        "sampling": SAMPLING,
        "seeds": (1, 2),
        "judges": (WORDS,),
        "neutral": ("a day in the end", "you and the story"),
        "progress": False,
    } | changes
    asked = grouped(given, search=Search, run=Run)
    measured = {name: asked.pop(name) for name in ("judges", "neutral")}
    measures = Measures((JUDGE, *measured["judges"]), neutral=measured["neutral"])
    return ts.study(own, judges=measures, **asked)


@cache
def found() -> StudyResults:
    """At one hook point for each direction, so that controls know the activations of both."""
    return studied(
        directions={"first": direction(model_of("bridge"), HERE, 2), **second()},
        controls=ts.experiments.Controls(**CONTROLS, shuffled=activations("bridge")),
    )


def second() -> dict[str, Any]:
    return {"second": direction(model_of("bridge"), HERE, 5)}
