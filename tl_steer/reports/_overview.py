"""What a study comes to at a glance: bars, the doses that were tried, and the first texts."""

from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from tl_steer.controls import NONE, RANDOM
from tl_steer.drawing.plots import cell_bars, dose_effect
from tl_steer.reports._averages import kind_of
from tl_steer.reports._study_data import StudyData

_PROMPTS, _SERIES, _LETTERS = 16, 6, 12


def method_bars(table: pd.DataFrame) -> Figure | None:
    """Mean scores of all methods on the first prompt set, a bar for each judge with an interval.

    Args:
        table: As in ``StudyData``.

    Returns:
        The figure; ``None`` where no judge whose scores are from 0 to 1 has intervals.
    """
    if "method" not in table:
        return None
    judges = [
        str(name)
        for name in table
        if {f"{name}_low", f"{name}_high"} <= {*table} and table[name].between(0, 1).all()
    ]
    own = table[table["prompts"] == table["prompts"].iloc[0]] if "prompts" in table else table
    bars = [
        pd.DataFrame(
            {
                "condition": own["method"].str.replace(r" \(.*\)", "", regex=True).map(_wrapped),
                "judge": judge,
                "mean": own[judge],
                "low": own[f"{judge}_low"],
                "high": own[f"{judge}_high"],
            }
        )
        for judge in judges
    ]
    return cell_bars(pd.concat(bars)) if bars else None


def _wrapped(name: str) -> str:
    return fill(name, _LETTERS)


def tried_figure(results: StudyData) -> Figure | None:
    """Judge and perplexity against dose, of all tries at the places that were chosen.

    Args:
        results: What was found.

    Returns:
        The figure; ``None`` where it is not known what was tried, and for a judge whose scores are
        not from 0 to 1.
    """
    tried, chosen = results.tried, results.chosen
    if tried is None or chosen.empty:
        return None
    places = chosen[["direction", "hook_name"]].drop_duplicates()
    own = tried.merge(places, on=["direction", "hook_name"])
    own = own[own["perplexity_ratio"].notna()]
    if own.empty or not own[results.judge].between(0, 1).all():
        return None
    kept = list(dict.fromkeys(own["direction"]))[:_SERIES]
    judge = results.judge
    lines = own[own["direction"].isin(kept)].assign(
        series=own["direction"],
        judge=own[judge],
        low=own[f"{judge}_low"],
        high=own[f"{judge}_high"],
    )
    doses = chosen.loc[chosen["direction"].isin(kept), "dose"] if "dose" in chosen else ()
    return dose_effect(lines, by="dose", limit=None, chosen=tuple(doses), label=f"{judge}, mean")


def beside(found: pd.DataFrame) -> pd.DataFrame:
    """Examples as they are shown: rank, prompt, both texts, both scores.

    Args:
        found: As from :func:`~tl_steer.reports.examples`.
    """
    return pd.DataFrame(
        {
            "": [f"{row.which}, {row.rank} of {row.of}" for row in found.itertuples()],
            "prompt": found["prompt"].astype(str),
            "no steering": found["unsteered"].astype(str),
            "steered": found["steered"].astype(str),
            "score": [
                f"{row.score_unsteered:.3f} → {row.score_steered:.3f}" for row in found.itertuples()
            ],
        }
    )


def first_texts(results: StudyData) -> pd.DataFrame:
    """The first text of each prompt of the first set, unsteered, steered, and at random.

    Steered is the first operating point, and the one away from it where there is one; nothing is
    picked by hand.

    Args:
        results: What was found.

    Returns:
        ``prompt``, and a column for each; empty where there is nothing to set side by side.
    """
    if results.texts.empty or results.chosen.empty:
        return pd.DataFrame()
    texts = results.texts[results.texts["prompts"] == results.texts["prompts"].iloc[0]]
    texts = texts[(texts["seed"] == texts["seed"].iloc[0]) & (texts["sample"] == 0)]
    lead = str(results.chosen["direction"].iloc[0])
    there = list(dict.fromkeys(texts["direction"]))
    random = [name for name in there if kind_of(name) == RANDOM][:1]
    names = [name for name in (NONE, lead, f"away from {lead}", *random) if name in there]
    if len(names) < 2:
        return pd.DataFrame()
    # Of a direction that was steered along at several settings, the first.
    first = texts.drop_duplicates(["prompt_index", "direction"])
    wide = first.pivot(index="prompt_index", columns="direction", values="text")
    prompts = first.drop_duplicates("prompt_index").set_index("prompt_index")["prompt"]
    wide = wide[names].rename(columns={NONE: "no steering"}).fillna("").head(_PROMPTS)
    wide.insert(0, "prompt", prompts)
    return wide.astype(str).reset_index(drop=True).rename_axis(columns=None)
