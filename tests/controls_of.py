"""A small direction against its controls, and what that is made of."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from grouped import grouped
from making import direction, shared_model

import tl_steer as ts
from tl_steer.controls import ControlsResult
from tl_steer.experiments import Controls, Run, against_controls

SITE = "blocks.1.hook_resid_post"
PROMPTS = ("the film was very good", "a movie", "i loved it so much and the plot", "the end")
SAMPLING = ts.Sampling(max_new_tokens=6, samples=3, temperature=1.0, seed=3)
REVIEWS = ts.ContrastSet(
    positive=[
        "i loved the film", "great plot and acting", "a bright movie", "good music",
        "the story was great", "so much acting", "a very good end",
    ],
    negative=[
        "i hated the film", "awful plot and story", "a dull movie", "bad acting",
        "the scene was awful", "too long and dull", "a very bad end",
    ],
    paired=True,
)  # fmt: skip
INSTRUCTION = "it is so good and "


class Share:
    """How many of the words are among some words."""

    def __init__(self, *words: str) -> None:
        self.name = f"share of {words[0]}"
        self.words = words

    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [
            sum(word in self.words for word in text.split()) / max(len(text.split()), 1)
            for text in texts
        ]


JUDGE = Share("good", "great", "film", "loved", "bright", "music", "story")


def model_of(kind: str) -> Any:
    return shared_model(kind, "llama")


@cache
def activations(kind: str) -> ts.Activations:
    return ts.capture(model_of(kind), REVIEWS, at=SITE, progress=False)


@cache
def found(kind: str = "bridge") -> ControlsResult:
    return against_controls(
        model_of(kind),
        PROMPTS,
        direction(model_of(kind), SITE),
        JUDGE,
        SAMPLING,
        Controls(
            kl=0.1,
            n_random=4,
            n_orthogonal=2,
            shuffled=activations(kind),
            instruction=INSTRUCTION,
            seed=5,
        ),
        run=Run(progress=False),
    )


def controlled(**changes: Any) -> ControlsResult:
    """With little, and without what costs time."""
    model = model_of("bridge")
    asked = {
        "prompts": PROMPTS,
        "direction": direction(model, SITE),
        "judge": JUDGE,
        "n_random": 2,
        "n_orthogonal": 0,
        "progress": False,
        "sampling": ts.Sampling(max_new_tokens=2),
        **changes,
    }
    return against_controls(model, **grouped(asked, controls=Controls, run=Run))
