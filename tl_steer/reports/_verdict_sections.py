"""What a report says first: what was found, and beside which controls."""

from collections.abc import Iterator, Sequence

import pandas as pd

from tl_steer.controls import DIRECTION, NONE, RANDOM
from tl_steer.page.sections import Illustration, Section
from tl_steer.reports._averages import kind_of
from tl_steer.reports._per_prompt import effects_per_prompt
from tl_steer.reports._settings_shown import Shown, settings_shown
from tl_steer.reports._spread_figures import sigma_bars
from tl_steer.reports._study_data import StudyData
from tl_steer.reports._verdicts import headline, short_headline, verdict_table, verdicts

_CHANCES = ("p", "p_holm", "p_rank", "p_rank_holm")


def verdict_section(results: StudyData) -> Iterator[Section]:
    if results.controlled:
        points = list(verdicts(results.controlled).values())
        bare = [name for name in directions_of(results.cells) if name not in results.controlled]
        points += [
            f"{name} was not set beside controls, so nothing is claimed for it." for name in bare
        ]
        told = [headline(results.controlled), *_opposed(settings_shown(results), results.judge)]
        table = _against(results) if results.controlled else pd.DataFrame()
        yield Section("What was found", told, points, tables={"": table})
    elif len(results.cells):
        yield Section(
            "What was found",
            ["No direction was set beside controls, so nothing is claimed for any of them."],
        )


def _opposed(settings: Sequence[Shown], judge: str) -> Iterator[str]:
    """What a mean hides, where it hides something."""
    several = [(each.direction, effects_per_prompt(each.texts, judge)) for each in settings]
    lost = [
        f"{int(effects['anti'].sum())} of {len(effects)} under {name}"
        for name, effects in several
        if effects["anti"].any()
    ]
    if lost:
        yield f"Prompts that moved the other way: {', '.join(lost)}."


def _against(results: StudyData) -> pd.DataFrame:
    """A row a direction: its effect, and how far it lies above each kind of control."""
    rows = []
    table = verdict_table(results.controlled)
    for name, each in results.controlled.items():
        own = table[table["direction"] == name]
        row: dict[str, object] = {"direction": name, "effect": each.effect.estimate}
        row |= {"low": each.effect.low, "high": each.effect.high}
        for kind in each.comparisons.index:
            if kind != NONE:
                found = each.comparisons.loc[kind]
                row |= {f"minus {kind}": found["difference"]}
                row |= {f"minus {kind}_{end}": found[end] for end in ("low", "high")}
        measured = each.frame.groupby("kind")["perplexity"].mean()
        row |= {"perplexity": measured.get(DIRECTION), "perplexity of random": measured.get(RANDOM)}
        rows.append(row | {"beats": "yes" if own["beats"].all() else "no"})
    frame = pd.DataFrame(rows)
    return frame[[*(name for name in frame if name != "beats"), "beats"]]


def controls_section(results: StudyData) -> Iterator[Section]:
    if not results.controlled:
        return
    table = verdict_table(results.controlled)
    kls = {each.kl for each in results.controlled.values()}
    footing = "one relative dose" if None in kls else "one KL of the token after the prompt"
    caption = (
        "Diamonds: effect of each direction, with its interval over prompts, beside its controls, "
        f"all brought to {footing}. The bar is the random directions' mean ± 2 standard deviations."
    )
    note = (
        "p is that of σ, by Student's t, which takes controls to be distributed normally; p_rank "
        "assumes nothing, but is never under 1 / (controls + 1). Those with _holm are corrected "
        "for all rows of this table."
    )
    yield Section(
        "Beside controls",
        [note],
        pictures=[
            Illustration(
                "controls",
                caption,
                sigma_bars(results.controlled, title=short_headline(results.controlled)),
            )
        ],
        tables={"": _readable(table)},
    )


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """With p-values to two digits, however small, and yes or no."""
    chances = {name: table[name].map("{:.2g}".format) for name in _CHANCES}
    return table.assign(beats=table["beats"].map({True: "yes", False: "no"}), **chances)


def directions_of(cells: pd.DataFrame) -> list[str]:
    """Of the sweep, without controls."""
    names = [] if cells.empty else [str(name) for name in dict.fromkeys(cells["direction"])]
    return [name for name in names if kind_of(name) == "direction"]
