"""What a picture shows, in a sentence that is computed from the numbers in it."""

import numpy as np
import pandas as pd

from tl_steer.reports._averages import unsteered


def of_doses(settings: pd.DataFrame, judge: str) -> str:
    """Which direction moves the judge most, and at which dose.

    Args:
        settings: As from :func:`~tl_steer.reports._averages.averaged`.
        judge: Its name.
    """
    own = _directions(settings)
    if not own["effect"].notna().any():
        return f"What each dose does to {judge}"
    most = own.loc[own["effect"].abs().idxmax()]
    return (
        f"{most['direction']} moves {judge} most: {_signed(most['effect'])} at dose "
        f"{_signed(most['dose'])}"
    )


def of_costs(settings: pd.DataFrame, judge: str, limit: float) -> str:
    """What goes furthest within the limit of perplexity, or that nothing does.

    Args:
        settings: As from :func:`~tl_steer.reports._averages.averaged`.
        judge: Its name.
        limit: As a ratio to the perplexity of unsteered text.
    """
    base, level = unsteered(settings, "perplexity"), unsteered(settings)
    own = _directions(settings)
    within = own[own["perplexity"] <= limit * base]
    if not np.isfinite(base) or not np.isfinite(level):
        return f"What each effect on {judge} costs in perplexity"
    if within.empty or not (within["score"] > level).any():
        return f"Nothing within {limit:g}× the perplexity raises {judge} above {level:.2f}"
    best = within.loc[within["score"].idxmax()]
    return (
        f"Within {limit:g}× the perplexity, {best['direction']} goes furthest: {judge} "
        f"{best['score']:.2f}, unsteered {level:.2f}"
    )


def of_places(settings: pd.DataFrame, judge: str, limit: float) -> str:
    """Where the effect is largest, and how many cells are beyond the limit.

    Args:
        settings: As from :func:`~tl_steer.reports._averages.averaged`.
        judge: Its name.
        limit: As a ratio to the perplexity of unsteered text.
    """
    own = _directions(settings)
    ceiling = limit * unsteered(settings, "perplexity")
    within = own[~(own["perplexity"] > ceiling)]
    beyond = len(own) - len(within)
    note = f"; {beyond} of {len(own)} cells cost more than {limit:g}×" if beyond else ""
    if not within["effect"].notna().any():
        return f"No cell that stays within {limit:g}× the perplexity moves {judge}{note}"
    most = within.loc[within["effect"].abs().idxmax()]
    strength = f"{most['strength']:+.3g}".replace("-", "−")
    return (
        f"{most['direction']} does most at layer {int(most['layer'])}, strength "
        f"{strength}: {_signed(most['effect'])}{note}"
    )


def of_prompts(effects: pd.DataFrame, label: str) -> str:
    """How many prompts moved the other way.

    Args:
        effects: As from :func:`~tl_steer.reports.effects_per_prompt`.
        label: What the setting is called.
    """
    opposed = effects[effects["anti"]]
    sure = int(opposed["sure"].sum())
    return f"{label}: {len(opposed)} of {len(effects)} prompts moved the other way" + (
        f", {sure} of them with an interval that excludes 0." if len(opposed) else "."
    )


def _directions(settings: pd.DataFrame) -> pd.DataFrame:
    return settings[settings["kind"] == "direction"].reset_index(drop=True)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if np.isfinite(value) else "–"
