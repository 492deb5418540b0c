"""The report of the case study, as one page."""

import pandas as pd
from matplotlib.figure import Figure

from tl_steer.demo.results import Results, SiteResult
from tl_steer.demo.search import PERPLEXITY_LIMIT
from tl_steer.drawing.plots import cell_bars, dose_effect, layer_curve
from tl_steer.page.html_report import render_report

_EXAMPLES = 16
_COLUMNS = ("sentiment", "sentiment_low", "sentiment_high", "vader", "perplexity", "distinct_2")


def page(results: Results) -> str:
    """Render the report: what was found, in words, numbers, pictures and texts."""
    best = results.sites[results.best]
    return render_report(
        title="Steering the sentiment of film reviews",
        summary=_summary(results, best),
        facts=results.facts,
        tables={
            f"On the test prompts: {result.choice.positive.hook_name}, "
            f"strength {result.choice.positive.strength:+g} and "
            f"{result.choice.negative.strength:+g}": _numbers(result)
            for result in results.sites.values()
        },
        figures=_figures(results, best),
        examples=_examples(best),
    )


def _summary(results: Results, best: SiteResult) -> list[str]:
    cells = best.table["sentiment"]
    ratios = best.table["perplexity"] / best.table.loc["unsteered", "perplexity"]
    positive, negative = best.choice.positive, best.choice.negative
    return [
        f"A direction is the mean activation of positive reviews minus that of negative ones. "
        f"Added while the model writes, at {positive.hook_name}, it moves the judge's mean score "
        f"from {cells['unsteered']:.2f} to {cells['positive']:.2f} (strength "
        f"{positive.strength:+g}) and to {cells['negative']:.2f} (strength "
        f"{negative.strength:+g}).",
        f"The text costs {ratios['positive']:.2f} and {ratios['negative']:.2f} times the "
        f"perplexity of unsteered text, under the unsteered model; the limit for choosing was "
        f"{PERPLEXITY_LIMIT}. A random direction of the same norm at the same place gives "
        f"{cells['random']:.2f}, at {ratios['random']:.2f} times the perplexity.",
        "Layers and strength were chosen on other prompts than those reported here. The judge was "
        "trained on other reviews than those that the direction was taken from. Intervals are 95 % "
        "bootstrap intervals over prompts; one seed and one small model were used.",
    ]


def _numbers(result: SiteResult) -> pd.DataFrame:
    table = result.table[[*_COLUMNS]].round(3)
    ratio = result.table["perplexity"] / result.table.loc["unsteered", "perplexity"]
    table.insert(5, "perplexity_ratio", ratio.round(2))
    return table.rename_axis("condition").reset_index()


def _figures(results: Results, best: SiteResult) -> dict[str, Figure]:
    curve, chosen = best.choice.curve, best.choice.positive.hook_name
    tried = curve[curve["hook_name"].isin(["", chosen])]
    tried = tried.assign(judge=tried["sentiment"], series=chosen)
    tried = tried.assign(low=tried["sentiment_low"], high=tried["sentiment_high"])
    bars = pd.concat(
        pd.DataFrame(
            {
                "condition": best.table.index,
                "judge": judge,
                "mean": best.table[judge].to_numpy(),
                "low": best.table[f"{judge}_low"].to_numpy(),
                "high": best.table[f"{judge}_high"].to_numpy(),
            }
        )
        for judge in ("sentiment", "vader")
    )
    return {
        "Two judges on the test prompts; whiskers are 95 % bootstrap intervals over prompts.": (
            cell_bars(bars)
        ),
        "What each strength does on the validation prompts, and what it costs; dotted: chosen.": (
            dose_effect(
                tried,
                limit=PERPLEXITY_LIMIT,
                chosen=(best.choice.positive.strength, best.choice.negative.strength),
            )
        ),
        "How well each layer's direction separates reviews that it was not computed from.": (
            layer_curve(results.separation)
        ),
    }


def _examples(best: SiteResult) -> pd.DataFrame:
    wide = best.generations.side_by_side()
    # The first sample of each prompt: nothing is picked by hand.
    first = wide.drop_duplicates("prompt").head(_EXAMPLES)
    return first[["prompt", "negative", "unsteered", "positive", "random"]]
