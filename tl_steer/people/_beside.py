"""People beside automatic judges: do they rank the same texts alike?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tl_steer.errors import DataError, NonFiniteError
from tl_steer.statistics import DRAWS

_TEXT = ["condition", "prompt_index", "sample"]


def beside(
    rated: pd.DataFrame,
    judged: pd.DataFrame,
    judges: Sequence[str],
    *,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """See :meth:`Ratings.beside`; ``rated`` has one row a text or pair."""
    if isinstance(judges, str) or not judges:
        raise DataError('name the columns with scores, such as judges=["sentiment"].')
    lacking = [name for name in (*_TEXT, *judges) if name not in judged]
    if lacking:
        raise DataError(f"The judged texts lack {lacking}; they have {list(judged)}.")
    if not 0 < confidence < 1:
        raise DataError(f"confidence={confidence}: expected a share between 0 and 1.")
    twice = judged.duplicated(_TEXT)
    if twice.any():
        raise DataError(
            f"The judged texts hold {judged[twice].iloc[0][_TEXT].tolist()} more than once. Give "
            "each text one row."
        )
    scores = judged.set_index(_TEXT)
    own = _scores(rated, "condition", scores, judges)
    if "other" in rated:
        own = own - _scores(rated, "other", scores, judges)
    rows = {}
    for place, name in enumerate(judges):
        both = np.stack([rated["rating"].to_numpy(float), own[:, place]], axis=1)
        low, high = _ends(both, rated["prompt_index"].to_numpy(), confidence, seed)
        rows[name] = {
            "spearman": _spearman(both),
            "low": low,
            "high": high,
            "texts": len(rated),
        }
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "judge"
    return found


def _scores(
    rated: pd.DataFrame, of: str, scores: pd.DataFrame, judges: Sequence[str]
) -> np.ndarray:
    """Scores of the rated texts of one condition; `(text, judge)`."""
    wanted = pd.MultiIndex.from_frame(rated[[of, "prompt_index", "sample"]])
    absent = [key for key in wanted if key not in scores.index]
    if absent:
        raise DataError(
            f"{len(absent)} rated texts are not among the judged ones; the first is condition "
            f"{absent[0][0]!r}, prompt {absent[0][1]}, sample {absent[0][2]}."
        )
    try:
        found: np.ndarray = scores.loc[wanted, list(judges)].to_numpy(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"The scores are not numbers ({error}).") from error
    if not np.isfinite(found).all():
        raise NonFiniteError("A judge's score of a rated text is NaN or infinite.")
    return found


def _spearman(both: np.ndarray) -> float:
    """NaN where one of the two does not vary: it has no ranks then."""
    if len(both) < 2 or (np.ptp(both, axis=0) == 0).any():
        return float("nan")
    return float(stats.spearmanr(both[:, 0], both[:, 1]).statistic)


def _ends(
    both: np.ndarray, prompt: np.ndarray, confidence: float, seed: int
) -> tuple[float, float]:
    """Percentiles over draws of prompts, all texts of a prompt together."""
    names = np.unique(prompt)
    if len(names) < 2 or np.isnan(_spearman(both)):
        return float("nan"), float("nan")
    rows = [np.flatnonzero(prompt == name) for name in names]
    rng = np.random.default_rng(seed)
    drawn = [
        _spearman(both[np.concatenate([rows[place] for place in picked])])
        for picked in rng.integers(len(rows), size=(DRAWS // 5, len(rows)))
    ]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
