"""Does it last? A long text, window by window: its effect, its repetition, its perplexity."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import Confidence, Count, Seed, checked
from tl_steer.data import plain_texts
from tl_steer.drawing.canvas import blank_figure, legend_above
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError, SteerError
from tl_steer.generation import Generations, Sampling, compare
from tl_steer.judges import Judge, scores_of
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat
from tl_steer.page.html import result_html
from tl_steer.robustness._windows import windows_of
from tl_steer.statistics import Interval, paired_difference, prompts_of
from tl_steer.steering import SteeringLike, as_steering

UNSTEERED, STEERED = "unsteered", "steered"
_Intervals = Callable[..., Interval]
"""``paired_difference`` with its settings."""


@checked
@dataclass(frozen=True, eq=False)
class Drift:
    """What becomes of a steering's effect as the text grows; made by :func:`drift`."""

    frame: pd.DataFrame
    """One row for each condition (``unsteered``, ``steered``) and window: ``condition``,
    ``window`` (from 0), ``start`` and ``stop`` (tokens), ``texts`` (how many fill it), and the
    means ``score``, ``repetition`` (share of the window's 4-grams of tokens that stand earlier in
    the same text) and ``perplexity`` (under the unsteered model, given all that stands before),
    each with ``_low`` and ``_high``, the ends of a bootstrap interval over prompts."""

    effects: pd.DataFrame
    """One row a window: ``window``, ``start``, ``stop``, ``texts`` (that fill it both steered and
    not), and the paired differences steered − unsteered of the score, ``effect``, and of the
    repetition, ``repetition``, and the ratio ``perplexity_ratio``, with ``_low`` and ``_high``."""

    faded: Interval
    """Effect in the last window minus that in the first, paired, over the texts that fill both;
    NaN for a single window, or where no text fills the last."""

    windows: pd.DataFrame
    """Every window of every text: ``condition``, ``prompt_index``, ``sample``, ``window``,
    ``text``, ``score``, ``repetition`` and ``nll`` (nats a token)."""

    generations: Generations

    judge: str
    """Whose scores these are."""

    def plot(self) -> Figure:
        """Score, repetition and perplexity by window, steered and unsteered, with intervals."""
        figure, panels = blank_figure(6.6, 3)
        labels = (drawable(self.judge, 24), "4-grams that\nstood before", "perplexity")
        looks = ((UNSTEERED, COLOURS[0], "o"), (STEERED, COLOURS[1], "s"))
        columns = ("score", "repetition", "perplexity")
        for axes, column, label in zip(panels, columns, labels, strict=True):
            for condition, colour, marker in looks:
                rows = self.frame[self.frame["condition"] == condition]
                middle = (rows["start"] + rows["stop"]) / 2
                axes.fill_between(
                    middle,
                    rows[f"{column}_low"],
                    rows[f"{column}_high"],
                    color=colour,
                    alpha=0.15,
                    linewidth=0,
                )
                axes.plot(
                    middle, rows[column], color=colour, marker=marker, markersize=5, label=condition
                )
            axes.set(ylabel=label)
        panels[-1].set(xlabel="token of the continuation")
        legend_above(panels[0])
        return figure

    def __repr__(self) -> str:
        """The effect by window, and whether it fades."""
        effects = ", ".join(f"{each:+.3f}" for each in self.effects["effect"])
        return f"Drift({self.judge} by window: {effects}; last − first {self.faded})"

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.effects, self.frame)


@checked
def drift(
    model: SteerableModel,
    prompts: Sequence[str],
    steering: SteeringLike,
    judge: Judge,
    sampling: Sampling = Sampling(samples=2),  # noqa: B008, frozen
    *,
    tokens: Count = 200,
    window: Count = 40,
    chat: Chat | None = None,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> Drift:
    """Write long continuations, cut them into windows of tokens, and measure each window.

    Only windows that a text fills count: a text that ends early has no later ones, so that these
    are of those texts that go on. A window is decoded by itself and judged without what stands
    before it.

    Args:
        model: Any TransformerLens model.
        prompts: To be continued; two or more, for intervals.
        steering: What to do; for all rows, for each prompt, or for each text.
        judge: Gives a text a number.
        sampling: How texts are drawn; ``tokens`` takes the place of its ``max_new_tokens``.
        tokens: Of a continuation.
        window: Tokens in a window; a remainder at the end is left out.
        chat: Put each prompt into the chat template, as the user's turn.
        confidence: Of the intervals.
        seed: Of the bootstrap; the sampling has its own.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        A row for each window, with and without steering; the differences; a figure; all texts.

    Raises:
        DataError: For no prompts, prompts that leave no room in the context, a judge that does not
            give one number for each text, or when no text fills a window.
        SteerError: For a window that is longer than the text.
        MismatchError: For a steering of another model, or of another number of rows.
        NonFiniteError: When logits or scores are not finite.
    """
    require_steerable(model)
    if not 1 <= window <= tokens:
        raise SteerError(
            f"window={window}, tokens={tokens}: expected at least 1, and a window no longer than "
            "the tokens."
        )
    written = compare(
        model,
        plain_texts(prompts, "prompts"),
        {UNSTEERED: None, STEERED: as_steering(steering)},
        replace(sampling, max_new_tokens=tokens),
        chat=chat,
        max_tokens=max_tokens,
        progress=progress,
    )
    cut = windows_of(model, written, window, max_tokens=max_tokens, progress=progress)
    cut.insert(6, "score", scores_of(judge, list(cut["text"])))
    over_prompts = partial(paired_difference, confidence=confidence, seed=seed)
    rows = [
        {"condition": condition, **_spans(number, window, part), **_means(part, over_prompts)}
        for (condition, number), part in cut.groupby(["condition", "window"], sort=False)
    ]
    wide = _wide(cut)
    if wide.empty:
        raise DataError(
            f"No text fills a window of {window} tokens both steered and unsteered. Take a shorter "
            "window, or stop_at_eos=False."
        )
    effects = [
        {**_spans(number, window, part), **_differences(part, over_prompts)}
        for number, part in wide.groupby("window")
    ]
    return Drift(
        pd.DataFrame(rows),
        pd.DataFrame(effects),
        _faded(wide, tokens // window - 1, over_prompts),
        cut,
        written,
        judge.name,
    )


def _spans(number: object, window: int, part: pd.DataFrame) -> dict[str, int]:
    at = int(str(number))
    return {"window": at, "start": at * window, "stop": (at + 1) * window, "texts": len(part)}


def _means(part: pd.DataFrame, over_prompts: _Intervals) -> dict[str, float]:
    found: dict[str, float] = {}
    prompt, nothing = prompts_of(part), np.zeros(len(part))
    for column, name in (("score", "score"), ("repetition", "repetition"), ("nll", "perplexity")):
        mean = over_prompts(part[column].to_numpy(float), nothing, prompt)
        found |= _named(name, mean, exponential=column == "nll")
    return found


def _wide(cut: pd.DataFrame) -> pd.DataFrame:
    """One row for each window that a text fills under both conditions."""
    keys = ["prompt_index", "prompt", "sample", "window"]
    both = [cut[cut["condition"] == each].set_index(keys) for each in (UNSTEERED, STEERED)]
    values = ["score", "repetition", "nll"]
    joined = both[1][values].join(both[0][values].add_suffix("_before"), how="inner")
    return joined.reset_index()


def _differences(part: pd.DataFrame, over_prompts: _Intervals) -> dict[str, float]:
    found: dict[str, float] = {}
    prompt = prompts_of(part)
    names = (("score", "effect"), ("repetition", "repetition"), ("nll", "perplexity_ratio"))
    for column, name in names:
        before = part[f"{column}_before"].to_numpy(float)
        difference = over_prompts(part[column].to_numpy(float), before, prompt)
        found |= _named(name, difference, exponential=column == "nll")
    return found


def _named(name: str, found: Interval, *, exponential: bool) -> dict[str, float]:
    values = (found.estimate, found.low, found.high)
    shown = [math.exp(each) for each in values] if exponential else list(values)
    return dict(zip((name, f"{name}_low", f"{name}_high"), shown, strict=True))


def _faded(wide: pd.DataFrame, last: int, over_prompts: _Intervals) -> Interval:
    keys = ["prompt", "prompt_index", "sample"]
    effects = wide.assign(effect=wide["score"] - wide["score_before"]).set_index(keys)
    ends = [effects[effects["window"] == number]["effect"] for number in (0, last)]
    both = pd.concat(ends, axis=1, join="inner", keys=["first", "last"])
    if not last or both.empty:
        return Interval(math.nan, math.nan, math.nan)
    return over_prompts(
        both["last"].to_numpy(float),
        both["first"].to_numpy(float),
        prompts_of(both.index.to_frame()),
    )
