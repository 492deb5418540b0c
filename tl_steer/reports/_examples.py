"""Examples side by side, chosen by a rule and never by hand: best, median and worst."""

import numpy as np
import pandas as pd

from tl_steer.arguments import Count, checked
from tl_steer.errors import DataError
from tl_steer.reports._per_prompt import paired


@checked
def examples(texts: pd.DataFrame, judge: str, *, count: Count = 1) -> pd.DataFrame:
    """The texts on which a setting did most, as much as on the middle one, and least.

    All steered texts are ranked by their effect in the wanted way, score minus that of the
    unsteered text of the same prompt, sample and seed; equal effects in the order of prompt set,
    prompt, sample and seed. The best are the first ``count``, the worst the last ``count``, and the
    median ones are the ``count`` in the middle. With few texts, none is shown twice.

    Args:
        texts: One setting and no steering, as from
            :func:`~tl_steer.reports.of_setting`.
        judge: The column of its scores.
        count: How many of each.

    Returns:
        ``which`` (``best``, ``median`` or ``worst``), ``rank`` (1 is the best), ``of`` (how many
        were ranked: those with finite scores), then the columns of
        :func:`~tl_steer.reports._per_prompt.paired`; by rank.

    Raises:
        DataError: As ``paired``, or ``count`` is less than 1.
    """
    if count < 1:
        raise DataError(f"count={count}: ask for 1 or more examples of each kind.")
    pairs = paired(texts, judge)
    ranked = pairs[np.isfinite(pairs["effect"])].assign(
        # To nine digits: a last digit of rounding is no rank.
        key=lambda frame: -(frame["wanted"] * frame["effect"]).round(9)
    )
    ranked = ranked.sort_values(["key", "prompts", "prompt_index", "sample", "seed"])
    total = len(ranked)
    middle = (total - count) // 2
    picks = {
        "best": range(min(count, total)),
        "worst": range(max(total - count, 0), total),
        "median": range(max(middle, 0), min(middle + count, total)),
    }
    chosen: dict[int, str] = {}
    for which, ranks in picks.items():
        for rank in ranks:
            chosen.setdefault(rank, which)
    order = sorted(chosen)
    found = ranked.drop(columns="key").iloc[order].reset_index(drop=True)
    found.insert(0, "which", [chosen[rank] for rank in order])
    found.insert(1, "rank", [rank + 1 for rank in order])
    found.insert(2, "of", total)
    return found
