"""One row of numbers for each condition: its effect and its cost."""

from collections.abc import Sequence

import pandas as pd

from tl_steer.arguments import Confidence, Seed, checked
from tl_steer.generation import Generations
from tl_steer.judges import Judge, require_judges, scores_of
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.metrics._diversity import distinct_n, repetition
from tl_steer.metrics._perplexity import perplexity
from tl_steer.statistics import mean_interval, prompts_of


@checked
def measure(
    model: SteerableModel,
    generations: Generations,
    judges: Judge | Sequence[Judge],
    *,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Measure the texts of each condition.

    Judges read continuations without their prompt. Intervals are percentile bootstrap intervals of
    the mean over prompts, because samples of one prompt are not independent; they need two prompts.
    A prompt given twice counts once.

    Args:
        model: The unsteered model, for the perplexity.
        generations: Of any number of conditions.
        judges: One or several; each gives a text a number.
        confidence: Of the intervals.
        seed: Of the bootstrap.
        progress: Whether to show a progress bar.

    Returns:
        One row for each condition, by name: for each judge its mean under its own name, with
        ``<name>_low`` and ``<name>_high``; ``perplexity``, ``distinct_2``, ``repetition`` (share of
        repeated 4-grams within a text), ``tokens`` (mean length) and ``texts`` (how many).

    Raises:
        DataError: For a judge named like another column, or one that does not give one number for
            each text.
    """
    require_steerable(model)
    judges = require_judges(judges)
    frame = generations.frame
    for judge in judges:
        frame = frame.assign(**{judge.name: scores_of(judge, generations.texts)})
    perplexities = perplexity(model, generations, progress=progress)
    rows = []
    for condition, part in frame.groupby("condition", sort=False):
        row: dict[str, float] = {}
        for judge in judges:
            by_prompt = part.groupby(prompts_of(part))[judge.name].mean().to_numpy()
            low, high = mean_interval(by_prompt, confidence=confidence, seed=seed)
            row |= {
                judge.name: float(part[judge.name].mean()),
                f"{judge.name}_low": low,
                f"{judge.name}_high": high,
            }
        texts = list(part["text"])
        row["perplexity"] = perplexities[str(condition)]
        row["distinct_2"] = distinct_n(texts, 2)
        row["repetition"] = repetition(texts)
        row["tokens"] = float(part["tokens"].map(len).mean())
        row["texts"] = len(texts)
        rows.append(pd.Series(row, name=str(condition)))
    return pd.DataFrame(rows)
