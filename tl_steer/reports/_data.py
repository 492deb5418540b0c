"""What lies beside a report as data, and what each file is."""

import pandas as pd

from tl_steer.reports._per_prompt import effects_per_prompt
from tl_steer.reports._settings_shown import settings_shown
from tl_steer.reports._study_data import StudyData
from tl_steer.reports._verdicts import verdict_table

FACTS = "facts.json"

DESCRIBED = {
    "cells.parquet": "every dose at every hook point, with its means and intervals",
    "texts.parquet": "every text of the operating points, with its scores",
    "table.csv": "methods and prompts",
    "chosen.csv": "the operating points",
    "verdicts.csv": "each direction against each kind of control",
    "controls.csv": "every control, and what it did",
    "controlled_texts.parquet": "the texts behind each σ",
    "per_prompt.csv": "the effect on each prompt",
    "people.csv": "what people said",
    "tried.csv": "every dose that was tried for the choice",
    "separation.csv": "how well each layer's direction separates held-out texts",
    FACTS: "what was run, and the verdicts",
}
"""By name, in the order in which a report lists them."""


def frames_of(results: StudyData) -> dict[str, pd.DataFrame]:
    """The frames of a study by the names of their files; what has no columns is left out.

    Args:
        results: What was found.
    """
    found = {
        "cells.parquet": results.cells,
        "texts.parquet": results.texts,
        "table.csv": results.table,
        "chosen.csv": results.chosen,
    }
    if results.controlled:
        several = results.controlled.items()
        found["verdicts.csv"] = verdict_table(results.controlled)
        found["controls.csv"] = _stacked({name: each.frame for name, each in several})
        written = {name: each.generations.frame for name, each in several}
        found["controlled_texts.parquet"] = _stacked(written)
    shown = settings_shown(results)
    if shown:
        found["per_prompt.csv"] = pd.concat(
            [
                effects_per_prompt(each.texts, results.judge).assign(setting=each.label)
                for each in shown
            ]
        )
    more = {
        "people": results.people,
        "tried": results.tried,
        "separation": results.separation,
    }
    found |= {f"{name}.csv": each for name, each in more.items() if each is not None}
    # A frame without columns could not be read again.
    return {name: frame for name, frame in found.items() if len(frame.columns)}


def _stacked(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [frame.assign(direction=name) for name, frame in frames.items()]
    return pd.concat(parts, ignore_index=True)
