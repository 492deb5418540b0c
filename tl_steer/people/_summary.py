"""What people said, condition by condition: means and preferences with their intervals."""

import numpy as np
import pandas as pd
from scipy import stats

from tl_steer.errors import DataError
from tl_steer.statistics import paired_difference

_TEXT = ["condition", "prompt_index", "sample"]


def of_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean rating of each text or pair over its raters, at the first showing.

    A text counts once, however many have rated it.
    """
    first = frame[~frame["repeat"] & frame["rating"].notna()]
    keys = [*_TEXT, "other"] if "other" in frame else _TEXT
    grouped = first.groupby(keys, sort=False)["rating"]
    return grouped.agg(rating="mean", raters="size").reset_index()


def summary_of_singles(
    frame: pd.DataFrame, baseline: str | None, *, confidence: float, seed: int
) -> pd.DataFrame:
    """See :meth:`Ratings.summary`."""
    texts = _some(of_texts(frame))
    if baseline is not None and baseline not in set(texts["condition"]):
        raise DataError(f"baseline={baseline!r}: expected one of {', '.join(_conditions(texts))}.")
    rows = {}
    for name in _conditions(frame):
        own = texts[texts["condition"] == name]
        rows[name] = {
            **_mean(own, "rating", confidence, seed),
            "texts": len(own),
            "prompts": own["prompt_index"].nunique(),
            "ratings": int(own["raters"].sum()),
        }
        if baseline is not None:
            against = texts[texts["condition"] == baseline]
            both = own.merge(against, on=["prompt_index", "sample"], suffixes=("", "_of_baseline"))
            both["difference"] = both["rating"] - both["rating_of_baseline"]
            found = _mean(both, "difference", confidence, seed)
            rows[name] |= {
                "difference": found["difference"],
                "difference_low": found["low"],
                "difference_high": found["high"],
            }
    return _framed(rows)


def summary_of_pairs(
    frame: pd.DataFrame, baseline: str | None, *, confidence: float, seed: int
) -> pd.DataFrame:
    """See :meth:`Ratings.summary`."""
    if baseline is not None:
        raise DataError("baseline= is for single texts; pairs are between two conditions already.")
    pairs = _some(of_texts(frame))
    one, other = str(pairs["condition"].iloc[0]), str(pairs["other"].iloc[0])
    prompts = pairs.groupby("prompt_index")["rating"].mean()
    won, lost = int((prompts > 0.5).sum()), int((prompts < 0.5).sum())
    p_value = float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0
    rows = {}
    for name, turned in ((one, False), (other, True)):
        share = pairs.assign(preferred=1 - pairs["rating"] if turned else pairs["rating"])
        rows[name] = {
            **_mean(share, "preferred", confidence, seed),
            "pairs": len(pairs),
            "prompts": len(prompts),
            "ratings": int(pairs["raters"].sum()),
            "won": lost if turned else won,
            "lost": won if turned else lost,
            "p_value": p_value,
        }
    return _framed(rows)


def _mean(texts: pd.DataFrame, column: str, confidence: float, seed: int) -> dict[str, float]:
    if texts.empty:
        return {column: float("nan"), "low": float("nan"), "high": float("nan")}
    found = paired_difference(
        texts[column].to_numpy(float),
        np.zeros(len(texts)),
        texts["prompt_index"].to_numpy(),
        confidence=confidence,
        seed=seed,
    )
    return {column: found.estimate, "low": found.low, "high": found.high}


def _some(texts: pd.DataFrame) -> pd.DataFrame:
    if texts.empty:
        raise DataError("No item has an answer, so there is nothing to summarise.")
    return texts


def _conditions(frame: pd.DataFrame) -> list[str]:
    return sorted(set(frame["condition"]))


def _framed(rows: dict[str, dict[str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index.name = "condition"
    return frame
