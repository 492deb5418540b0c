"""Small models at their operating points."""

from functools import cache
from typing import Any

from controls_of import JUDGE
from grouped import grouped
from making import direction, shared_model

import tl_steer as ts
from tl_steer.experiments import Run, Search
from tl_steer.experiments._calibrate import calibrate
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._constraints import Constraints

VALIDATION = ("the film was very", "a movie", "i loved it so much", "the end is")
TEST = ("this story", "the actor was not", "you saw")
SAMPLING = ts.Sampling(max_new_tokens=6, samples=2, seed=3)
LOOSE = Constraints(perplexity_ratio=1.3, repetition=0.5)


@cache
def directions(model: Any) -> ts.Directions:
    names = ("blocks.0.hook_resid_post", "blocks.1.hook_mlp_out", "blocks.1.hook_resid_post")
    return ts.Directions({name: direction(model, name, 2) for name in names})


def calibrated(model: Any, **settings: Any) -> Calibration:
    given = {
        "validation": VALIDATION,
        "test": TEST,
        "constraints": LOOSE,
        "sampling": SAMPLING,
        "tries": 4,
        "progress": False,
    } | settings
    # A factory loads the same weights again.
    own = model if hasattr(model, "cfg") else shared_model("bridge", "llama")
    asked = grouped(given, search=Search, run=Run)
    return calibrate(model, directions(own), JUDGE, **asked)
