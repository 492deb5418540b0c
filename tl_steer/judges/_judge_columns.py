"""Judges give columns their names, and no two columns may have one."""

from collections.abc import Sequence
from typing import Any

from tl_steer.errors import DataError
from tl_steer.judges._judges import Judge

_ENDINGS = ("", "_low", "_high", "_share")
"""The columns of a judge."""

TAKEN = frozenset({
    # Of settings.
    "direction", "hook_name", "layer", "strength", "dose", "scope", "prompts", "seed",
    # Of texts.
    "cell", "condition", "prompt_index", "sample", "prompt", "text", "tokens", "log_probs",
    "prompt_tokens", "finished", "nll", "n_tokens", "kl", "relevance", "kl_neutral", "nll_second",
    "n_tokens_second", "score",
    # Of cells.
    "texts", "perplexity", "perplexity_second", "distinct_1", "distinct_2", "distinct_3",
    "repetition",
    # Of tries.
    "perplexity_ratio", "effect", "effect_low", "effect_high", "excess", "feasible", "why_not",
    "round",
    # Of controls and of a study's table.
    "kind", "name", "judge", "method", "sigma", "sigma_shuffled", "beats",
})  # fmt: skip
"""Columns of tables in which judges have columns too."""


def require_judges(judges: Judge | Sequence[Judge]) -> tuple[Judge, ...]:
    """Return one judge or several as a tuple; refuse names that other columns have.

    Raises:
        DataError: For two judges of one name, a name that a column has which is there anyway, or
            that a column of another judge has.
    """
    found: tuple[Any, ...] = tuple(judges) if isinstance(judges, Sequence) else (judges,)
    owners: dict[str, str] = {}
    for judge in found:
        name: object = judge.name
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"Expected a judge with a name such as 'praise', got {name!r}.")
        for column in (f"{name}{ending}" for ending in _ENDINGS):
            if column in TAKEN:
                raise DataError(
                    f"A judge is called {name!r}, but the column {column!r} holds something else. "
                    "Rename the judge."
                )
            if column in owners:
                raise DataError(
                    f"The judges are called {', '.join(each.name for each in found)}. Give each "
                    f"its own name: the column {column!r} would belong to both {owners[column]!r} "
                    f"and {name!r}."
                )
            owners[column] = name
    return found
