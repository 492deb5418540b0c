"""Whose texts a report shows: the operating points, by rule and not by hand."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tl_steer.controls import DIRECTION, NONE
from tl_steer.reports._per_prompt import of_setting, texts_of
from tl_steer.reports._study_data import StudyData


@dataclass(frozen=True, eq=False)
class Shown:
    """A setting, what it is called, and its texts beside those without steering."""

    direction: str
    label: str
    texts: pd.DataFrame


def settings_shown(results: StudyData) -> list[Shown]:
    """Each operating point that the sweep has texts of; then directions beside their controls.

    A direction whose operating point was not in the sweep is shown by the texts that its effect
    beside controls is computed from, where there are such. Settings none of whose scores is a
    number, or that have nothing without steering to compare with, are left out.

    Args:
        results: What was found.
    """
    found: dict[str, Shown] = {}
    for row in results.chosen.to_dict("records"):
        name, strength = str(row["direction"]), float(row["strength"])
        texts = _of(results.texts, name, str(row["hook_name"]), strength, row.get("scope"))
        if texts is not None:
            label = f"{name}, {row['hook_name']}, strength {strength:+.3g}"
            found[label] = Shown(name, label, texts)
    shown = {each.direction for each in found.values()}
    for name, controlled in results.controlled.items():
        if name not in shown:
            own = controlled.frame[controlled.frame["kind"] == DIRECTION].iloc[0]
            footing = "equal dose" if controlled.kl is None else f"KL {controlled.kl:g} nats"
            label = f"{name}, strength {float(own['strength']):+.3g} ({footing})"
            found[label] = Shown(name, label, texts_of(name, controlled))
    return [each for each in found.values() if _comparable(each.texts, results.judge)]


def _of(
    texts: pd.DataFrame, name: str, hook_name: str, strength: float, scope: object
) -> pd.DataFrame | None:
    if texts.empty:
        return None
    own = texts[(texts["direction"] == name) & (texts["hook_name"] == hook_name)]
    near = np.isclose(own["strength"].to_numpy(float), strength, rtol=1e-5, atol=1e-9)
    scopes = list(own.loc[near, "scope"].unique())
    # Where nobody said which of several scopes was chosen, the first that was run.
    which = scope if isinstance(scope, str) else next(iter(scopes), None)
    if which not in scopes:
        return None
    return of_setting(texts, name, hook_name=hook_name, strength=strength, scope=str(which))


def _comparable(texts: pd.DataFrame, judge: str) -> bool:
    """Whether each steered text has its unsteered one, and some effect is a number."""
    keys = ["prompts", "prompt_index", "sample", "seed"]
    steered, nothing = texts[texts["direction"] != NONE], texts[texts["direction"] == NONE]
    both = steered.merge(nothing, on=keys, suffixes=("", "_nothing"))
    effects = both[judge].to_numpy(float) - both[f"{judge}_nothing"].to_numpy(float)
    return len(both) == len(steered) and bool(np.isfinite(effects).any())
