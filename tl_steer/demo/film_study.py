"""Does sentiment steering work, and with which estimator? The study on film reviews."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tl_steer.activations import Activations, capture
from tl_steer.data import neutral_background, packaged_model, rotten_tomatoes
from tl_steer.demo.output import require_device, require_writable, summary
from tl_steer.demo.prompts import TEST, VALIDATION
from tl_steer.directions import (
    Direction,
    logistic_probe,
    mean_difference,
    principal_component,
    whitened_mean_difference,
)
from tl_steer.experiments import Controls, Measures, Run, Search, study
from tl_steer.generation import Sampling
from tl_steer.judges import sentiment_judge, vader_judge
from tl_steer.lens.protocol import SteerableModel
from tl_steer.reports import StudyResults
from tl_steer.robustness import PHRASINGS, RESISTING

_log = logging.getLogger(__name__)

SITE = "hook_resid_post"
ESTIMATORS: Mapping[str, Callable[[Activations], Mapping[str, Direction]]] = {
    "mean difference": mean_difference,
    "whitened mean difference": whitened_mean_difference,
    "logistic probe": logistic_probe,
    "principal component": principal_component,
}
INSTRUCTION = "The following was written by somebody who loved the film.\n"


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    reviews: int = 512
    """Of each class, to find directions in."""

    layers: tuple[int, ...] = (15, 17)
    doses: tuple[float, ...] = (-0.3, -0.15, 0.15, 0.3)
    tries: int = 4
    n_random: int = 30
    n_orthogonal: int = 4
    validation: int = len(VALIDATION)
    prompts: int = 24
    """Of each set, as far as there are so many."""

    tokens: int = 20
    samples: int = 2
    seeds: tuple[int, ...] = (1,)

    @classmethod
    def small(cls) -> "Size":
        """Enough to see that everything works."""
        return cls(
            reviews=24,
            layers=(15,),
            doses=(-0.2, 0.2),
            tries=2,
            n_random=3,
            n_orthogonal=1,
            validation=4,
            prompts=4,
            tokens=10,
            samples=1,
        )

    @property
    def test(self) -> Mapping[str, tuple[str, ...]]:
        """Prompts to report on, by what they begin like."""
        sets = {
            "neutral": (*TEST, *PHRASINGS),
            "negative": RESISTING["hated"],
            "positive": RESISTING["loved"],
        }
        return {name: prompts[: self.prompts] for name, prompts in sets.items()}


def film_study(
    model: SteerableModel,
    *,
    size: Size = Size(),
    folder: Path | None = None,
    progress: bool = True,
) -> StudyResults:
    """Study directions of several estimators, found in film reviews.

    Args:
        model: The packaged model, or another one.
        size: How much of everything.
        folder: Where finished cells are kept, so that an interrupted study goes on.
        progress: Whether to show progress bars.
    """
    reviews = rotten_tomatoes().sample(size.reviews, seed=0)
    at = [f"blocks.{layer}.{SITE}" for layer in size.layers]
    acts = capture(model, reviews, at=at, progress=progress)
    directions: dict[str, Mapping[str, Direction]] = {
        name: estimator(acts) for name, estimator in ESTIMATORS.items()
    }
    results = study(
        model,
        directions,
        Measures((sentiment_judge(), vader_judge()), neutral=neutral_background()[: size.prompts]),
        validation=VALIDATION[: size.validation],
        test=size.test,
        search=Search(tries=size.tries, doses=size.doses),
        controls=Controls(
            n_random=size.n_random,
            n_orthogonal=size.n_orthogonal,
            shuffled=acts,
            instruction=INSTRUCTION,
        ),
        sampling=Sampling(
            max_new_tokens=size.tokens, samples=size.samples, temperature=0.9, top_p=0.95
        ),
        run=Run(folder, size.seeds, progress=progress),
    )
    return results.about(
        "Steering the sentiment of film reviews",
        "Which directions from film reviews make the model write more positively, is it more "
        "than controls that change the model as much do, and what does it cost?",
        facts={
            "data": f"{size.reviews} + {size.reviews} reviews of Rotten Tomatoes, mean of tokens",
            "command": "python -m tl_steer study sentiment",
        },
        limits=(
            "One small model, one language, one kind of text.",
            "The judge is a bag of words: it does not know what a sentence says, and gives real "
            "negative snippets .39 and positive ones .71 on average.",
            "Perplexity is that of the model itself, unsteered: it does not see what is false.",
            "Only additions of more praise were measured beside controls.",
        ),
    )


def report_film_study(folder: Path, *, device: str | None = None, quick: bool = False) -> None:
    """Make the study and write its report; the same command goes on where one was ended.

    Args:
        folder: Made where it is lacking.
        device: Of the packaged model; CUDA where there is one by default.
        quick: A small version.

    Raises:
        SteerError: When the folder cannot be written or the device cannot be used.
    """
    require_writable(folder)
    require_device(device)
    size = Size.small() if quick else Size()
    results = film_study(packaged_model(device=device), size=size, folder=folder)
    results.save(folder)
    _log.info("\n%s", summary(results, folder))
