"""What a report says, in order, before it becomes HTML or Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from tl_steer.drawing.plots import figure_png, layer_curve
from tl_steer.reports._averages import averaged, kind_of
from tl_steer.reports._examples import examples
from tl_steer.reports._figures import dose_effect_curves, pareto, pareto_front
from tl_steer.reports._heatmap import layer_strength_heatmap
from tl_steer.reports._overview import beside, first_texts, method_bars, tried_figure
from tl_steer.reports._per_prompt import anti_steerable, effects_per_prompt
from tl_steer.reports._results import StudyResults
from tl_steer.reports._settings_shown import Shown, settings_shown
from tl_steer.reports._spread_figures import per_prompt_spread, sigma_bars
from tl_steer.reports._verdicts import headline, verdict_table, verdicts

_PANELS = 6  # hook points whose curves are drawn
_CHANCES = ("p", "p_holm", "p_rank", "p_rank_holm")
_FRONT = ("direction", "hook_name", "strength", "dose", "score", "effect", "perplexity")


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, its caption, and what its file is called."""

    name: str
    caption: str
    figure: Figure

    @cached_property
    def png(self) -> bytes:
        """Drawn once, for the page and for the file."""
        return figure_png(self.figure)


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands under it, in this order."""

    heading: str
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Numbers, by their caption."""

    texts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Texts side by side, by their caption; all cells are strings."""


def sections_of(results: StudyResults) -> list[Section]:
    """Everything that a report says; what has no data is left out.

    Args:
        results: What was found.
    """
    settings = settings_shown(results)
    return [
        *_asked(results),
        *_verdict(results),
        *_run(results),
        *_table(results),
        *_controls(results),
        *_curves(results),
        *_front(results),
        *_heatmap(results),
        *_spread(results, settings),
        *_examples(results, settings),
        *_people(results),
        *_chosen(results),
        *_separation(results),
        *_limits(results),
    ]


def _asked(results: StudyResults) -> Iterator[Section]:
    if results.question.strip():
        yield Section("What was asked", [results.question])


def _verdict(results: StudyResults) -> Iterator[Section]:
    if results.controlled:
        points = list(verdicts(results.controlled).values())
        bare = [name for name in _directions(results.cells) if name not in results.controlled]
        points += [
            f"{name} was not set beside controls, so that nothing is claimed for it."
            for name in bare
        ]
        yield Section("What was found", [headline(results.controlled)], points)
    elif len(results.cells):
        yield Section(
            "What was found",
            ["No direction was set beside controls, so that nothing is claimed for any of them."],
        )


def _directions(cells: pd.DataFrame) -> list[str]:
    """Of the sweep, without controls."""
    names = [] if cells.empty else [str(name) for name in dict.fromkeys(cells["direction"])]
    return [name for name in names if kind_of(name) == "direction"]


def _table(results: StudyResults) -> Iterator[Section]:
    if len(results.table):
        bars = method_bars(results.table)
        caption = "Mean scores on the first prompts; whiskers are intervals over prompts."
        pictures = [] if bars is None else [Picture("methods", caption, bars)]
        tables = {"": _flat(results.table)}
        yield Section("Methods and prompts", pictures=pictures, tables=tables)


def _controls(results: StudyResults) -> Iterator[Section]:
    if not results.controlled:
        return
    table = verdict_table(results.controlled)
    kls = {each.kl for each in results.controlled.values()}
    footing = "one relative dose" if None in kls else "one KL of the token after the prompt"
    caption = (
        f"Effect of each direction (blue, with its interval over prompts) beside its controls, all "
        f"brought to {footing}. The bar is the random directions' mean ± 2 standard deviations."
    )
    note = (
        "p is that of σ, by Student's t, which takes controls to be distributed normally; p_rank "
        "assumes nothing, but is never under 1 / (controls + 1). Those with _holm are corrected "
        "for all rows of this table."
    )
    yield Section(
        "Beside controls",
        [note],
        pictures=[Picture("controls", caption, sigma_bars(results.controlled))],
        tables={"": _readable(table)},
    )


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """With p-values to two digits, however small, and yes or no."""
    chances = {name: table[name].map("{:.2g}".format) for name in _CHANCES}
    return table.assign(beats=table["beats"].map({True: "yes", False: "no"}), **chances)


def _curves(results: StudyResults) -> Iterator[Section]:
    if not _directions(results.cells):
        return
    cells, left = _few_hook_points(results)
    caption = (
        "Mean score of the judge against the signed relative dose; shaded: interval over prompts. "
        "Grey: controls, the band from the lowest to the highest random direction."
    )
    if left:
        caption += f" In the heatmap and in the data only: {left} more of the hook points."
    figure = dose_effect_curves(cells, results.judge)
    yield Section("What a dose does", pictures=[Picture("dose_effect", caption, figure)])


def _few_hook_points(results: StudyResults) -> tuple[pd.DataFrame, int]:
    """The cells of the hook points that were chosen, or of the first ones, and how many are not."""
    cells = results.cells
    there = list(dict.fromkeys(cells.loc[cells["hook_name"] != "", "hook_name"]))
    steered = set(results.chosen["hook_name"]) if len(results.chosen) else set()
    kept = ([name for name in there if name in steered] or there)[:_PANELS]
    return cells[cells["hook_name"].isin(["", *kept])], len(there) - len(kept)


def _front(results: StudyResults) -> Iterator[Section]:
    if not _directions(results.cells):
        return
    settings = averaged(results.cells, results.judge)
    if not (settings["perplexity"].notna() & settings["score"].notna()).any():
        return
    caption = (
        "Every setting of the sweep: filled markers are positive doses, hollow ones negative, grey "
        "ones controls. No setting lies above and left of the black line, which is the front; "
        "controls that reach it mean that the directions there do no more than chance."
    )
    figure = pareto_front(results.cells, results.judge)
    table = pareto(results.cells, results.judge)[[*_FRONT]]
    yield Section(
        "What it costs",
        pictures=[Picture("pareto", caption, figure)],
        tables={"The front towards higher scores": table},
    )


def _heatmap(results: StudyResults) -> Iterator[Section]:
    if not _directions(results.cells):
        return
    settings = averaged(results.cells, results.judge)
    own = settings[settings["kind"] == "direction"]
    if own["hook_name"].nunique() < 2 or not own["effect"].notna().any():
        return
    caption = (
        "Mean score minus that without steering, at each layer and strength; grey: not run, or "
        "without a score. The whole grid is shown, not only what was chosen."
    )
    figure = layer_strength_heatmap(results.cells, results.judge)
    yield Section("Where", pictures=[Picture("heatmap", caption, figure)])


def _spread(results: StudyResults, settings: Sequence[Shown]) -> Iterator[Section]:
    if not settings:
        return
    pictures, tables, sentences = [], {}, []
    for number, each in enumerate(settings, start=1):
        effects = effects_per_prompt(each.texts, results.judge)
        opposed = anti_steerable(effects)
        sure = int(opposed["sure"].sum())
        sentences.append(
            f"{each.label}: {len(opposed)} of {len(effects)} prompts moved the other way"
            + (f", {sure} of them with an interval that excludes 0." if len(opposed) else ".")
        )
        caption = (
            f"{each.label}: change of the judge's score by prompt; line: 95 % interval from the "
            "texts of that prompt alone."
        )
        figure = per_prompt_spread(each.texts, results.judge)
        pictures.append(Picture(f"per_prompt_{number}", caption, figure))
        if len(opposed):
            named = opposed[["prompt", "samples", "effect", "low", "high"]]
            tables[f"Moved the other way: {each.label}"] = named
    yield Section("Prompt by prompt", points=sentences, pictures=pictures, tables=tables)


def _examples(results: StudyResults, settings: Sequence[Shown]) -> Iterator[Section]:
    if not settings:
        return
    rule = (
        "Chosen by rule: all texts of a setting are ranked by how far the judge's score moved from "
        "that of the unsteered text of the same prompt and sample; shown are the first, the "
        "middle and the last."
    )
    shown = {each.label: beside(examples(each.texts, results.judge)) for each in settings}
    first = first_texts(results)
    if len(first):
        shown["The first text of each prompt"] = first
    yield Section("Texts side by side", [rule], texts=shown)


def _people(results: StudyResults) -> Iterator[Section]:
    rated = results.people is not None and len(results.people) > 0
    if rated or results.agreement:
        yield Section(
            "People beside judges",
            [results.agreement] if results.agreement else [],
            tables={"": _flat(results.people)} if results.people is not None and rated else {},
        )


def _chosen(results: StudyResults) -> Iterator[Section]:
    if len(results.chosen):
        note = "What was chosen; scores are those that it was chosen by."
        figure = tried_figure(results)
        caption = (
            "What each dose that was tried does on the validation prompts, and what it costs; "
            "dotted: chosen."
        )
        pictures = [] if figure is None else [Picture("tried", caption, figure)]
        tables = {"": _flat(results.chosen)}
        yield Section("Operating points", [note], pictures=pictures, tables=tables)


def _separation(results: StudyResults) -> Iterator[Section]:
    if results.separation is None:
        return
    caption = "How well each layer's direction separates texts that it was not computed from."
    picture = Picture("separation", caption, layer_curve(results.separation))
    yield Section("Separation", pictures=[picture])


def _limits(results: StudyResults) -> Iterator[Section]:
    if results.limits:
        yield Section("Limits", points=list(results.limits))


def _run(results: StudyResults) -> Iterator[Section]:
    if results.facts:
        yield Section("What was run", facts=results.facts)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """With the index as columns, where it says something."""
    named = any(name is not None for name in frame.index.names)
    return frame.reset_index() if named else frame
