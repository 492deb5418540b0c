"""The table of a study: methods and prompts, what was written, and what it is worth."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tl_steer.controls import NONE, RANDOM, SHUFFLED, ControlsResult
from tl_steer.experiments._calibration import Calibration
from tl_steer.experiments._sweep_result import SweepResult
from tl_steer.reports import kind_of, verdict_table

_WRITTEN = ("perplexity", "distinct_1", "distinct_2", "distinct_3")
_MORE = ("repetition", "tokens", "kl", "kl_neutral", "relevance", "perplexity_second")
_VERDICT = ("sigma", "sigma_shuffled", "beats")


def study_table(
    texts: pd.DataFrame, judges: Sequence[str], controlled: Mapping[str, ControlsResult]
) -> pd.DataFrame:
    """One row a method and prompt set.

    Texts of all seeds are taken together. Several random directions are averaged: each is measured
    by itself, because distinct-n falls with the number of texts.

    Args:
        texts: As in ``SweepResult.texts``.
        judges: Names of the columns of scores, the headline first.
        controlled: By name, the directions beside their controls.

    Returns:
        ``method``, ``prompts``, ``texts``; of the headline judge the ``<judge>_share`` (of texts
        over one half), the mean, and its interval over prompts, ``<judge>_low`` to
        ``<judge>_high``; ``perplexity``, ``distinct_1`` to ``distinct_3``, and
        ``perplexity_ratio`` to no steering; for
        directions ``sigma`` (above random directions at equal KL, on the prompts that were compared
        with controls), ``sigma_shuffled`` and ``beats`` (as ``verdict_table``), in the row of the
        first prompt set; then what else was measured, and the other judges.
    """
    cells = SweepResult(
        texts.assign(cell=texts["prompts"] + "\n" + texts["direction"]), tuple(judges)
    ).cells
    cells["method"] = [RANDOM if kind_of(name) == RANDOM else name for name in cells["direction"]]
    scores = [f"{judge}{of}" for judge in judges for of in ("_share", "", "_low", "_high")]
    measured = [*scores[:4], *_WRITTEN, *(name for name in _MORE if name in cells), *scores[4:]]
    rows = []
    for (prompts, method), part in cells.groupby(["prompts", "method"], sort=False):
        several = f"{method} (mean of {len(part)})" if method == RANDOM else method
        row: dict[str, object] = {"method": several, "prompts": prompts}
        row["texts"] = int(part["texts"].iloc[0])
        for name in measured:
            values = part[name].to_numpy(float)
            pooled = name.startswith("perplexity")
            row[name] = float(np.exp(np.log(values).mean()) if pooled else values.mean())
        rows.append(row)
    found = pd.DataFrame(rows)
    nothing = found[found["method"] == NONE].set_index("prompts")["perplexity"]
    found["perplexity_ratio"] = found["perplexity"] / found["prompts"].map(nothing)
    order = {NONE: 0, RANDOM: 2}
    rank = [order.get(str(name).split(" (")[0], 1) for name in found["method"]]
    sets = {name: number for number, name in enumerate(dict.fromkeys(found["prompts"]))}
    found = found.assign(_set=found["prompts"].map(sets), _rank=rank)
    found = found.sort_values(["_set", "_rank"], kind="stable").drop(columns=["_set", "_rank"])
    found = _with_verdicts(found.reset_index(drop=True), controlled)
    shown = [name for name in _VERDICT if name in found]
    own = ["method", "prompts", "texts", *scores[:4], *_WRITTEN, "perplexity_ratio", *shown]
    return found[[*own, *(name for name in found if name not in own)]]


def _with_verdicts(table: pd.DataFrame, controlled: Mapping[str, ControlsResult]) -> pd.DataFrame:
    if not controlled:
        return table
    verdicts = verdict_table(controlled)
    first = table["prompts"] == table["prompts"].iloc[0]
    for column, control in (("sigma", RANDOM), ("sigma_shuffled", SHUFFLED)):
        own = verdicts[verdicts["control"] == control].set_index("direction")["sigma"]
        if len(own):
            table[column] = table["method"].map(own).where(first)
    won = verdicts.groupby("direction")["beats"].all().map({True: "yes", False: "no"})
    table["beats"] = table["method"].map(won).where(first, "").fillna("")
    return table


def chosen_table(calibrations: Mapping[str, Calibration], scope: str) -> pd.DataFrame:
    """The operating point of each direction, and what it did where it was chosen.

    Args:
        calibrations: Of all directions, by what is put before their names.
        scope: What the scope is called.
    """
    rows = []
    several = [
        (prefix + name, point, each)
        for prefix, each in calibrations.items()
        for name, point in each.best_of.items()
    ]
    for name, point, calibration in several:
        tried = calibration.row_of(point)
        rows.append(
            {
                "direction": name,
                "hook_name": point.hook_name,
                "strength": point.strength,
                "dose": point.dose,
                "scope": scope,
                f"validation {calibration.judge}": tried.get(calibration.judge),
                "effect": tried.get("effect"),
                "perplexity_ratio": tried.get("perplexity_ratio"),
                "kl": tried["kl"],
                "chosen": f"over the limits: {point.over}"
                if point.over
                else f"best within {calibration.constraints}",
            }
        )
    return pd.DataFrame(rows)


def tried_table(calibrations: Mapping[str, Calibration]) -> pd.DataFrame:
    """All that was tried, with the directions called as in :func:`chosen_table`.

    Args:
        calibrations: By what is put before the names of their directions.
    """
    frames = []
    for prefix, each in calibrations.items():
        steered = each.curve[each.curve["direction"] != NONE]
        frames.append(steered.assign(direction=prefix + steered["direction"]))
    return pd.concat(frames, ignore_index=True)
