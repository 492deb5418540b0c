"""Does it beat its controls? The answer as a table, and in words computed from the numbers."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tl_steer.arguments import Confidence, checked
from tl_steer.controls import DIRECTION, INSTRUCTION, RANDOM, SHUFFLED, ControlsResult
from tl_steer.errors import DataError
from tl_steer.page.numbers import with_interval
from tl_steer.statistics import chance_of_sigma, holm, rank_p_value

_TESTED = (RANDOM, SHUFFLED)
_CALLED = {RANDOM: "random directions", SHUFFLED: "mean differences of shuffled labels"}


@checked
def verdict_table(
    controlled: Mapping[str, ControlsResult], *, alpha: Confidence = 0.05
) -> pd.DataFrame:
    """Every direction against every kind of control, corrected for all of these comparisons.

    A direction beats its controls where the interval of the difference lies above 0 and the
    corrected p of σ is at most ``alpha``. Both are asked: σ says that controls do not reach the
    effect, the interval that it holds over the prompts.

    ``p`` is the chance of such a σ without any effect, from Student's t (see
    :func:`~tl_steer.statistics.chance_of_sigma`); it takes controls to be distributed
    normally. ``p_rank`` assumes nothing, but with ``n`` controls is never under ``1 / (n + 1)``:
    with 30 controls and more than one comparison, ``p_rank_holm`` cannot be under .05.

    Args:
        controlled: By the name of the direction; those that did nothing included, or the
            correction is too small.
        alpha: The chance of any false success that is accepted, over all comparisons.

    Returns:
        One row a direction and tested kind of control: ``direction``, ``control``, ``controls``
        (how many), ``difference``, ``low``, ``high``, ``sigma``, ``p``, ``p_holm``, ``p_rank``,
        ``p_rank_holm`` and ``beats``. Where controls do not differ from each other, σ is NaN, and
        p is 1: nothing was shown.

    Raises:
        DataError: ``alpha`` is no share, or a direction has no control of a kind that is tested.
    """
    if not 0 < alpha < 1:
        raise DataError(f"alpha={alpha}: a share between 0 and 1 is wanted.")
    rows = []
    for name, each in controlled.items():
        tested = [kind for kind in _TESTED if kind in each.comparisons.index]
        if not tested:
            raise DataError(
                f"{name!r} has no random directions and no shuffled labels beside it. "
                "Make them with against_controls(), or leave it out."
            )
        for kind in tested:
            rows.append({"direction": name, "control": kind} | _numbers(each, kind))
    found = pd.DataFrame(rows, columns=["direction", "control", *_NUMBERS])
    for column in ("p", "p_rank"):
        found[f"{column}_holm"] = holm(found[column].to_numpy(float))
    found["beats"] = (found["low"] > 0) & (found["p_holm"] <= alpha)
    order = ["p", "p_holm", "p_rank", "p_rank_holm", "beats"]
    return found[[*(name for name in found if name not in order), *order]]


@checked
def verdicts(
    controlled: Mapping[str, ControlsResult], *, alpha: Confidence = 0.05
) -> dict[str, str]:
    """What was found for each direction, in words; plainly where it does not beat its controls.

    Args:
        controlled: By the name of the direction.
        alpha: As in :func:`verdict_table`.

    Raises:
        DataError: As :func:`verdict_table`.
    """
    table = verdict_table(controlled, alpha=alpha)
    return {
        name: _verdict(name, each, table[table["direction"] == name], len(table))
        for name, each in controlled.items()
    }


@checked
def headline(controlled: Mapping[str, ControlsResult], *, alpha: float = 0.05) -> str:
    """How many directions beat all of their controls, and which do not, in one paragraph.

    Raises:
        DataError: As :func:`verdict_table`, or nothing was compared.
    """
    if not controlled:
        raise DataError("no direction stands beside its controls, so that there is no verdict.")
    table = verdict_table(controlled, alpha=alpha)
    return (
        f"{_count(table)} To beat them, a direction's interval above the controls has to exclude "
        f"0, and the p of its σ, by Holm's method for {_counted(len(table), 'comparison')}, must "
        f"be at most {alpha:g}."
    )


def short_headline(controlled: Mapping[str, ControlsResult]) -> str:
    """The first sentence of :func:`headline`, which says how many beat their controls."""
    return _count(verdict_table(controlled))


def _count(table: pd.DataFrame) -> str:
    won = table.groupby("direction", sort=False)["beats"].all()
    names = {sure: [str(name) for name in won.index[won == sure]] for sure in (True, False)}
    if len(won) == 1:
        sure = bool(won.iloc[0])
        first = f"{won.index[0]} {'beats' if sure else 'does not beat'} its controls."
    elif not names[False]:
        first = f"All {len(won)} directions beat their controls: {_listed(names[True])}."
    elif not names[True]:
        first = f"None of the {len(won)} directions beats its controls: {_listed(names[False])}."
    else:
        beat = "beats its" if len(names[True]) == 1 else "beat their"
        first = (
            f"{len(names[True])} of {len(won)} directions {beat} controls: "
            f"{_listed(names[True])}. Not so: {_listed(names[False])}."
        )
    return first


_NUMBERS = ("controls", "difference", "low", "high", "sigma", "p", "p_rank")


def _numbers(each: ControlsResult, kind: str) -> dict[str, float]:
    row = each.comparisons.loc[kind]
    sigma, controls = float(row["sigma"]), int(row["controls"])
    effects = each.frame.loc[each.frame["kind"] == kind, "effect"].to_numpy(float)
    own = float(each.frame.loc[each.frame["kind"] == DIRECTION, "effect"].iloc[0])
    known = np.isfinite(sigma)
    return {
        "controls": controls,
        "difference": float(row["difference"]),
        "low": float(row["low"]),
        "high": float(row["high"]),
        "sigma": sigma,
        "p": chance_of_sigma(sigma, controls) if known else 1.0,
        "p_rank": rank_p_value(own, effects),
    }


def _verdict(name: str, each: ControlsResult, rows: pd.DataFrame, comparisons: int) -> str:
    parts = [_finding(name, each, rows, comparisons), _instruction(each), _cost(each)]
    return " ".join(part for part in [*parts, _unmatched(each)] if part)


def _finding(name: str, each: ControlsResult, rows: pd.DataFrame, comparisons: int) -> str:
    """One sentence: whether it beats them, and the numbers that say so."""
    effect = each.effect
    footing = "at equal dose" if each.kl is None else f"at KL {each.kl:g} nats"
    size = signed(with_interval(effect.estimate, effect.low, effect.high))
    if not np.isfinite(effect.low + effect.high):
        doubt = ", without an interval (one prompt)"
    else:
        doubt = ", inconclusive" if effect.low <= 0 <= effect.high else ""
    against = "; ".join(_against(row, comparisons) for row in rows.to_dict("records"))
    return f"{_first(name, rows)}: effect {size} {footing}{doubt}; {against}."


def _first(name: str, rows: pd.DataFrame) -> str:
    beaten = [_CALLED[str(kind)] for kind in rows.loc[rows["beats"], "control"]]
    others = [_CALLED[str(kind)] for kind in rows.loc[~rows["beats"], "control"]]
    if not others:
        return f"{name} beats its controls"
    if not beaten:
        return f"{name} does not beat its controls"
    return f"{name} beats {_listed(beaten)}, but not {_listed(others)}"


def _against(row: dict[str, float | str], comparisons: int) -> str:
    called, sigma = _CALLED[str(row["control"])], float(row["sigma"])
    if not np.isfinite(sigma):
        return f"{called} do not differ from each other, so there is no σ"
    corrected = " after Holm" if comparisons > 1 else ""
    side = "above" if sigma >= 0 else "below"
    return f"{abs(sigma):.1f} σ {side} {called} (p = {float(row['p_holm']):.2g}{corrected})"


def _instruction(each: ControlsResult) -> str:
    if INSTRUCTION not in each.comparisons.index:
        return ""
    row = each.comparisons.loc[INSTRUCTION]
    if row["low"] > 0:
        return ""
    if not row["high"] < 0:
        return "It cannot be told apart from an instruction in place of a vector."
    own = each.frame.loc[each.frame["kind"] == INSTRUCTION, "kl"].iloc[0]
    return (
        f"An instruction in place of a vector does more, by {abs(row['difference']):.2f} (its KL "
        f"is {own:.2g} nats)."
    )


def _cost(each: ControlsResult) -> str:
    measured = each.frame.groupby("kind")["perplexity"].mean()
    if RANDOM not in measured or not np.isfinite(measured[[DIRECTION, RANDOM]]).all():
        return ""
    own, theirs = measured[DIRECTION], measured[RANDOM]
    if own <= 1.1 * theirs:
        return ""
    return f"It disturbs the text more than they do: perplexity {own:.1f} against {theirs:.1f}."


def _unmatched(each: ControlsResult) -> str:
    short = each.unmatched
    if not short:
        return ""
    return (
        f"{_counted(len(short), 'addition')} did not reach that KL ({_listed(short[:4])}"
        f"{' ...' if len(short) > 4 else ''}): their effects are too small, so that σ may be too "
        "large."
    )


def signed(estimate: str) -> str:
    """An estimate with its sign, and with a true minus."""
    return (estimate if estimate.startswith("-") else f"+{estimate}").replace("-", "−")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
