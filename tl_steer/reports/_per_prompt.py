"""What steering does prompt by prompt, and the prompts on which it does the opposite.

A mean hides them: on some data sets nearly half of the inputs move against the direction (Tan et
al. 2024, https://arxiv.org/abs/2407.12404).
"""

import numpy as np
import pandas as pd
from scipy import stats

from tl_steer.arguments import Confidence, checked, require_columns
from tl_steer.controls import DIRECTION, NONE, ControlsResult
from tl_steer.errors import DataError
from tl_steer.reports._averages import SETTING, require

_TEXT = ("prompts", "prompt_index", "sample", "seed")
_CHOSEN = ("direction", "hook_name", "strength", "scope")
_ROUNDING = 1e-9


@checked
def of_setting(
    texts: pd.DataFrame,
    direction: str,
    *,
    hook_name: str | None = None,
    strength: float | None = None,
    scope: str | None = None,
) -> pd.DataFrame:
    """Keep the texts of one setting, and those without steering for the same prompts and seeds.

    Args:
        texts: As in ``SweepResult.texts``.
        direction: Its name.
        hook_name: Where, if there is more than one hook point.
        strength: How strongly, if there is more than one strength.
        scope: Which scope, if there is more than one.

    Raises:
        DataError: There is no such setting, or more than one.
    """
    require(texts, *SETTING, *_TEXT)
    own = texts[texts["direction"] == direction]
    if hook_name is not None:
        own = own[own["hook_name"] == hook_name]
    if strength is not None:
        own = own[np.isclose(own["strength"].to_numpy(float), strength, rtol=1e-5, atol=1e-9)]
    if scope is not None:
        own = own[own["scope"] == scope]
    asked = f"direction {direction!r}, hook name {hook_name}, strength {strength}, scope {scope}"
    if own.empty:
        there = list(dict.fromkeys(texts["direction"]))[:8]
        raise DataError(f"{asked}: no texts. There are the directions {there}; see the columns.")
    _require_one(own)
    sets = pd.MultiIndex.from_frame(own[["prompts", "seed"]])
    nothing = texts[texts["direction"] == NONE]
    nothing = nothing[pd.MultiIndex.from_frame(nothing[["prompts", "seed"]]).isin(sets)]
    return pd.concat([own, nothing])


def texts_of(name: str, controlled: ControlsResult) -> pd.DataFrame:
    """The texts that stand behind an effect beside its controls, as those of a sweep.

    Args:
        name: What the direction is to be called.
        controlled: The direction beside its controls.

    Returns:
        The texts of the direction and those without steering, with the columns of
        ``SweepResult.texts`` that a setting has, and the scores under the judge's name.
    """
    frame = controlled.generations.frame
    (row,) = controlled.frame[controlled.frame["kind"] == DIRECTION].to_dict("records")
    vector = controlled.directions.get(DIRECTION)
    parts = []
    for condition, called in ((DIRECTION, name), (NONE, NONE)):
        steered = condition == DIRECTION
        own = frame[frame["condition"] == condition]
        parts.append(
            own.assign(
                direction=called,
                hook_name=vector.hook_name if steered and vector is not None else "",
                layer=vector.layer if steered and vector is not None else -1,
                strength=float(row["strength"]) if steered else 0.0,
                dose=float(row["dose"]) if steered else 0.0,
                scope="",
                prompts="",
                **{controlled.judge: own["score"].to_numpy(float)},
            )
        )
    return pd.concat(parts, ignore_index=True)


def paired(texts: pd.DataFrame, judge: str) -> pd.DataFrame:
    """Each steered text beside the unsteered one of the same prompt, sample and seed.

    Args:
        texts: One setting and no steering, as from :func:`of_setting`.
        judge: The column of its scores.

    Returns:
        ``prompts``, ``prompt_index``, ``sample``, ``seed``, ``prompt``, ``unsteered`` and
        ``steered`` (texts), ``score_unsteered``, ``score_steered``, ``effect`` (their difference)
        and ``wanted`` (+1 where the dose is positive, −1 where it is negative).

    Raises:
        DataError: A column is missing, there are several settings, a text has no counterpart, or
            no score is finite.
    """
    require(texts, judge, "prompt", "text", *SETTING, *_TEXT)
    own, nothing = texts[texts["direction"] != NONE], texts[texts["direction"] == NONE]
    if own.empty:
        raise DataError("all texts are without steering; give those of one setting too.")
    _require_one(own)
    for part, what in ((own, "steered"), (nothing, "unsteered")):
        if part.duplicated(list(_TEXT)).any():
            raise DataError(f"there are several {what} texts of one prompt, sample and seed.")
    sides = [
        part[[*_TEXT, "prompt", "text", judge]].rename(
            columns={"text": name, judge: f"score_{name}", "prompt": f"prompt_{name}"}
        )
        for part, name in ((own, "steered"), (nothing, "unsteered"))
    ]
    found = sides[0].merge(sides[1], how="left", on=list(_TEXT), indicator=True)
    alone = int((found["_merge"] != "both").sum())
    if alone:
        raise DataError(
            f"{alone} of {len(found)} steered texts have no unsteered one of the same prompts, "
            "prompt_index, sample and seed. Run the sweep with no steering too."
        )
    found["effect"] = found["score_steered"] - found["score_unsteered"]
    if not np.isfinite(found["effect"]).any():
        raise DataError(f"no score of {judge} is finite, so that there is no effect to show.")
    found["wanted"] = _way(own)
    columns = [*_TEXT, "prompt", "unsteered", "steered"]
    columns += ["score_unsteered", "score_steered", "effect", "wanted"]
    return found.rename(columns={"prompt_steered": "prompt"})[columns].reset_index(drop=True)


@checked
def effects_per_prompt(
    texts: pd.DataFrame, judge: str, *, confidence: Confidence = 0.95
) -> pd.DataFrame:
    """The effect on each prompt: mean of steered minus unsteered over its samples and seeds.

    The interval is Student's, from the samples of the prompt alone; with few samples it is wide.

    Args:
        texts: One setting and no steering, as from :func:`of_setting`.
        judge: The column of its scores.
        confidence: Of the intervals.

    Returns:
        One row a prompt, the most moved in the wanted way first: ``prompts``, ``prompt_index``,
        ``prompt``, ``samples`` (pairs of finite scores; without one the effect is NaN),
        ``effect``, ``low``, ``high`` (NaN for fewer than two samples), ``anti`` (whether it moved
        the other way: upwards is wanted for a positive dose, downwards for a negative one) and
        ``sure`` (whether the interval excludes 0).

    Raises:
        DataError: As :func:`paired`, or the confidence is no share.
    """
    if not 0 < confidence < 1:
        raise DataError(f"confidence={confidence}: a share between 0 and 1 is wanted.")
    pairs = paired(texts, judge)
    wanted = float(pairs["wanted"].iloc[0])
    finite = pairs["effect"].where(np.isfinite(pairs["effect"]))
    groups = pairs.assign(effect=finite).groupby(["prompts", "prompt_index"], sort=False)
    found = groups.agg(
        prompt=("prompt", "first"),
        samples=("effect", "count"),
        effect=("effect", "mean"),
        deviation=("effect", "std"),
    ).reset_index()
    freedom = (found["samples"] - 1).clip(lower=1)
    reach = stats.t.ppf((1 + confidence) / 2, freedom) * found["deviation"]
    reach = reach / np.sqrt(found["samples"].clip(lower=1))
    found = found.drop(columns="deviation").assign(
        low=found["effect"] - reach, high=found["effect"] + reach
    )
    found["anti"] = wanted * found["effect"] < -_ROUNDING
    found["sure"] = (found["low"] > _ROUNDING) | (found["high"] < -_ROUNDING)
    order = (-wanted * found["effect"]).sort_values(kind="stable").index
    return found.loc[order].reset_index(drop=True)


@checked
def anti_steerable(effects: pd.DataFrame) -> pd.DataFrame:
    """The prompts that moved the other way, the worst first.

    Args:
        effects: As from :func:`effects_per_prompt`.
    """
    require_columns(effects, ["anti"], by="anti_steerable")
    return effects[effects["anti"]].iloc[::-1].reset_index(drop=True)


def _require_one(steered: pd.DataFrame) -> None:
    several = steered.drop_duplicates(list(_CHOSEN))[list(_CHOSEN)]
    if len(several) > 1:
        first = [tuple(row) for row in several.head(3).to_numpy().tolist()]
        raise DataError(
            f"{len(several)} settings came (direction, hook name, strength, scope): {first} ... "
            "Choose one with of_setting()."
        )


def _way(steered: pd.DataFrame) -> float:
    """Upwards or downwards: the sign of the dose, or of the strength where no dose is known."""
    for column in ("dose", "strength"):
        amount = float(steered[column].iloc[0])
        if np.isfinite(amount) and amount != 0:
            return float(np.sign(amount))
    return 1.0
