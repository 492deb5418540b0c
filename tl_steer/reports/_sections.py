"""What a report says, in order, before it becomes HTML or Markdown."""

from collections.abc import Iterator, Sequence

import pandas as pd

from tl_steer.drawing.plots import layer_curve
from tl_steer.page.sections import Illustration, Section
from tl_steer.reports._averages import averaged
from tl_steer.reports._data import DESCRIBED, FACTS, frames_of
from tl_steer.reports._examples import examples
from tl_steer.reports._figures import dose_effect_curves
from tl_steer.reports._findings import of_costs, of_doses, of_places, of_prompts
from tl_steer.reports._heatmap import layer_strength_heatmap
from tl_steer.reports._overview import beside, first_texts, method_bars, tried_figure
from tl_steer.reports._pareto import pareto, pareto_front
from tl_steer.reports._per_prompt import anti_steerable, effects_per_prompt
from tl_steer.reports._settings_shown import Shown, settings_shown
from tl_steer.reports._spread_figures import per_prompt_spread
from tl_steer.reports._study_data import StudyData
from tl_steer.reports._verdict_sections import controls_section, directions_of, verdict_section

_PANELS = 6  # hook points whose curves are drawn
_FRONT = (
    "direction", "hook_name", "strength", "dose", "score", "low", "high", "effect", "perplexity"
)  # fmt: skip
_LIMIT = 1.5  # times the perplexity of unsteered text


def sections_of(results: StudyData) -> list[Section]:
    """Everything that a report says; what has no data is left out.

    Args:
        results: What was found.
    """
    settings = settings_shown(results)
    return [
        *_asked(results),
        *verdict_section(results),
        *_run(results),
        *_table(results),
        *controls_section(results),
        *_curves(results),
        *_front(results),
        *_heatmap(results),
        *_spread(results, settings),
        *_examples(results, settings),
        *_people(results),
        *_chosen(results),
        *_separation(results),
        *_limits(results),
        *_data(results),
    ]


def _asked(results: StudyData) -> Iterator[Section]:
    if results.question.strip():
        yield Section("What was asked", [results.question])


def _table(results: StudyData) -> Iterator[Section]:
    if len(results.table):
        bars = method_bars(results.table)
        caption = "Mean scores on the first prompts; whiskers are intervals over prompts."
        pictures = [] if bars is None else [Illustration("methods", caption, bars)]
        tables = {"": results.table}
        yield Section("Methods and prompts", pictures=pictures, tables=tables)


def _curves(results: StudyData) -> Iterator[Section]:
    if not directions_of(results.cells):
        return
    cells, left = _few_hook_points(results)
    caption = (
        "Mean score of the judge against the signed relative dose; coloured band: interval over "
        "prompts. Grey: controls, the band from the lowest to the highest random direction."
    )
    if left:
        caption += f" In the heatmap and in the data only: {left} more of the hook points."
    finding = of_doses(averaged(cells, results.judge), results.judge)
    figure = dose_effect_curves(cells, results.judge, title=finding)
    yield Section("What a dose does", pictures=[Illustration("dose_effect", caption, figure)])


def _few_hook_points(results: StudyData) -> tuple[pd.DataFrame, int]:
    """The cells of the hook points that were chosen, or of the first ones, and how many are not."""
    cells = results.cells
    there = list(dict.fromkeys(cells.loc[cells["hook_name"] != "", "hook_name"]))
    steered = set(results.chosen["hook_name"]) if len(results.chosen) else set()
    kept = ([name for name in there if name in steered] or there)[:_PANELS]
    return cells[cells["hook_name"].isin(["", *kept])], len(there) - len(kept)


def _front(results: StudyData) -> Iterator[Section]:
    if not directions_of(results.cells):
        return
    settings = averaged(results.cells, results.judge)
    if not (settings["perplexity"].notna() & settings["score"].notna()).any():
        return
    caption = (
        "Every setting of the sweep: filled markers are positive doses, hollow ones negative, grey "
        "ones controls. No setting lies above and left of the solid line, which is the front; "
        "controls that reach it mean that the directions there do no more than chance."
    )
    finding = of_costs(settings, results.judge, _LIMIT)
    figure = pareto_front(results.cells, results.judge, limit=_LIMIT, title=finding)
    table = pareto(results.cells, results.judge)[[*_FRONT]]
    yield Section(
        "What it costs",
        pictures=[Illustration("pareto", caption, figure)],
        tables={"The front towards higher scores": table},
    )


def _heatmap(results: StudyData) -> Iterator[Section]:
    if not directions_of(results.cells):
        return
    settings = averaged(results.cells, results.judge)
    own = settings[settings["kind"] == "direction"]
    if own["hook_name"].nunique() < 2 or not own["effect"].notna().any():
        return
    caption = (
        "Mean score minus that without steering, at each layer and strength; grey: not run, or "
        f"without a score; crossed out: over {_LIMIT:g} times the perplexity of unsteered text. "
        "The whole grid is shown, not only what was chosen."
    )
    finding = of_places(settings, results.judge, _LIMIT)
    figure = layer_strength_heatmap(results.cells, results.judge, limit=_LIMIT, title=finding)
    yield Section("Where", pictures=[Illustration("heatmap", caption, figure)])


def _spread(results: StudyData, settings: Sequence[Shown]) -> Iterator[Section]:
    if not settings:
        return
    pictures, tables = [], {}
    for number, each in enumerate(settings, start=1):
        effects = effects_per_prompt(each.texts, results.judge)
        opposed = anti_steerable(effects)
        finding = of_prompts(effects, each.label)
        caption = (
            "Change of the judge's score by prompt; line: 95 % interval from the texts of that "
            "prompt alone."
        )
        figure = per_prompt_spread(each.texts, results.judge, title=finding)
        pictures.append(Illustration(f"per_prompt_{number}", caption, figure))
        if len(opposed):
            named = opposed[["prompt", "samples", "effect", "low", "high"]]
            tables[f"Moved the other way: {each.label}"] = named
    yield Section("Prompt by prompt", pictures=pictures, tables=tables)


def _examples(results: StudyData, settings: Sequence[Shown]) -> Iterator[Section]:
    if not settings:
        return
    rule = (
        "Chosen by rule: all texts of a setting are ranked by how far the judge's score moved from "
        "that of the unsteered text of the same prompt and sample; shown are the first, the "
        "middle and the last. None was chosen by hand."
    )
    shown = {each.label: beside(examples(each.texts, results.judge)) for each in settings}
    first = first_texts(results)
    if len(first):
        shown["The first text of each prompt"] = first
    yield Section("Texts side by side", [rule], texts=shown)


def _people(results: StudyData) -> Iterator[Section]:
    rated = results.people is not None and len(results.people) > 0
    if rated or results.agreement:
        yield Section(
            "People beside judges",
            [results.agreement] if results.agreement else [],
            tables={"": results.people} if results.people is not None and rated else {},
        )


def _chosen(results: StudyData) -> Iterator[Section]:
    if len(results.chosen):
        note = "What was chosen; scores are those that it was chosen by."
        figure = tried_figure(results)
        caption = (
            "What each dose that was tried does on the validation prompts, and what it costs; "
            "dotted: chosen."
        )
        pictures = [] if figure is None else [Illustration("tried", caption, figure)]
        tables = {"": results.chosen}
        yield Section("Operating points", [note], pictures=pictures, tables=tables)


def _separation(results: StudyData) -> Iterator[Section]:
    if results.separation is None:
        return
    caption = "How well each layer's direction separates texts that it was not computed from."
    picture = Illustration("separation", caption, layer_curve(results.separation))
    yield Section("Separation", pictures=[picture])


def _limits(results: StudyData) -> Iterator[Section]:
    if results.limits:
        yield Section("Limits", points=list(results.limits))


def _run(results: StudyData) -> Iterator[Section]:
    if results.facts:
        yield Section("What was run", facts=results.facts)


def _data(results: StudyData) -> Iterator[Section]:
    there = frames_of(results)
    if there:
        files = {name: what for name, what in DESCRIBED.items() if name in {*there, FACTS}}
        yield Section("Data", ["Beside this page, where the study was saved:"], files=files)
