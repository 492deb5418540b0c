"""The film-review case study: where to steer and how strongly, either way, and what that does."""

import logging
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from tl_steer.activations import capture
from tl_steer.data import packaged_model, rotten_tomatoes
from tl_steer.demo.output import require_device, require_writable, summary
from tl_steer.demo.prompts import TEST, VALIDATION
from tl_steer.diagnostics import separation
from tl_steer.directions import (
    AnyDirection,
    Directions,
    DominatedDirectionWarning,
    LayerRun,
    mean_difference,
)
from tl_steer.experiments import Constraints, Controls, Run, Search, study
from tl_steer.generation import Sampling
from tl_steer.judges import sentiment_judge, vader_judge
from tl_steer.reports import StudyResults

_log = logging.getLogger(__name__)

PLACES = {
    "residual stream": ("hook_resid_post", ((15, 15), (14, 18), (10, 18))),
    "MLP outputs": ("hook_mlp_out", ((14, 14), (10, 22))),
}
"""Runs of layers to choose among, by site; the first site is the reference."""


@dataclass(frozen=True)
class Amount:
    """How much of everything."""

    reviews: int = 512
    """Of each class, to find directions in."""

    held_out: int = 128
    """Others of each class, to see how well the directions separate them."""

    prompts: int = 16
    """To choose on, and as many others to report on."""

    doses: tuple[float, ...] = (-0.3, -0.15, 0.15, 0.3)
    tries: int = 5
    perplexity_ratio: float = 1.4
    """Under the 1.5 that is meant: a few dozen texts measure it with an error."""

    n_random: int = 10
    tokens: int = 20
    seeds: tuple[int, ...] = (1,)


def report_case_study(
    folder: Path, *, device: str | None = None, amount: Amount = Amount()
) -> StudyResults:
    """Make the study and write its report; the same command goes on where one was ended.

    Writes what ``StudyResults.save`` does, and ``direction.safetensors``, into ``folder``.

    Args:
        folder: Made where it is lacking.
        device: Of the packaged model; CUDA where there is one by default.
        amount: How much of everything.

    Raises:
        SteerError: When the folder cannot be written (before anything is fetched), or the assets
            cannot be had.
    """
    require_writable(folder)
    require_device(device)
    _log.info("model, reviews and judge (fetched and prepared on first use)")
    model = packaged_model(device=device)
    halves = rotten_tomatoes().split({"train": 0.5, "held-out": 0.5}, seed=0)
    at = [f"blocks.*.{site}" for site, _ in PLACES.values()]
    train, held_out = (
        capture(model, halves[name].sample(count, seed=0), at=at)
        for name, count in (("train", amount.reviews), ("held-out", amount.held_out))
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DominatedDirectionWarning)
        directions = mean_difference(train)
    results = study(
        model,
        {name: _places(directions.at(site), runs) for name, (site, runs) in PLACES.items()},
        (sentiment_judge(), vader_judge()),
        validation=VALIDATION[: amount.prompts],
        test={"test": TEST[: amount.prompts]},
        search=Search(
            Constraints(perplexity_ratio=amount.perplexity_ratio),
            amount.tries,
            both_ways=True,
            doses=amount.doses,
        ),
        controls=Controls(n_random=amount.n_random, n_orthogonal=0),
        sampling=Sampling(max_new_tokens=amount.tokens, samples=2, temperature=0.9, top_p=0.95),
        run=Run(folder, amount.seeds),
    )
    results = results.about(
        "Steering the sentiment of film reviews",
        "A direction is the mean activation of positive reviews minus that of negative ones. "
        "Added or subtracted while the model writes, at which layers and how strongly does it "
        "move what is written, and what does that cost?",
        facts={
            "data": f"{amount.reviews} + {amount.reviews} reviews of Rotten Tomatoes, mean of "
            "tokens, at every layer of both sites",
            "command": "python -m tl_steer demo --full",
            "noted": " ".join(str(each.message) for each in caught) or "nothing",
        },
        limits=(
            "One small model, one language, one kind of text.",
            "The judge is a bag of words: it was trained on other reviews than the directions, and "
            "gives real negative snippets .39 and positive ones .71 on average.",
            "Perplexity is that of the model itself, unsteered: it does not see what is false.",
        ),
    )
    results = replace(results, separation=separation(directions, held_out))
    directions.save(folder / "direction.safetensors")
    results.save(folder)
    _log.info("\n%s", summary(results, folder))
    return results


def _places(directions: Directions, runs: tuple[tuple[int, int], ...]) -> list[AnyDirection]:
    return [
        directions[first] if first == last else LayerRun(directions[first : last + 1])
        for first, last in runs
    ]
