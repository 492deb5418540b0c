"""What a mean hides: the effect prompt by prompt, and beside that of every control."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.controls import DIRECTION, INSTRUCTION, ORTHOGONAL, RANDOM, SHUFFLED, ControlsResult
from tl_steer.drawing.canvas import SMALL, legend_outside, plain, single, titled
from tl_steer.drawing.colours import COLOURS, GREY, GRID, PALE
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError
from tl_steer.reports._per_prompt import effects_per_prompt, paired

_NAMED = 48  # prompts whose names have room
_CONTROLS = (
    (RANDOM, "o", PALE, 0.0),
    (SHUFFLED, "x", GREY, -0.2),
    (ORTHOGONAL, "^", COLOURS[3], -0.36),
    (INSTRUCTION, "D", COLOURS[4], -0.36),
)


@checked
def per_prompt_spread(texts: pd.DataFrame, judge: str, *, title: str = "") -> Figure:
    """Each prompt's effect with its interval and its texts, sorted, the anti-steerable marked.

    A dot is one text's score minus that of the unsteered text of the same sample and seed; the
    large marker is their mean, the line its interval, which runs out of the panel where a prompt
    has too few texts to tell. Prompts that moved against the direction
    are orange squares. Up to 48 prompts are named; of more, only the shape is drawn, and
    :func:`~tl_steer.reports.anti_steerable` names those that matter.

    Args:
        texts: One setting and no steering, as from
            :func:`~tl_steer.reports.of_setting`.
        judge: The column of its scores.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: As :func:`~tl_steer.reports._per_prompt.paired`.
    """
    effects = effects_per_prompt(texts, judge)
    pairs = paired(texts, judge)
    named = len(effects) <= _NAMED
    # The most moved on top.
    effects["at"] = np.arange(len(effects))[::-1]
    height = 0.85 + (0.22 * len(effects) if named else 7.0)
    figure, axes = single(height)
    _plain(axes)
    dots = pairs.merge(effects[["prompts", "prompt_index", "at"]], on=["prompts", "prompt_index"])
    # Under the line, so that neither hides the other.
    under = dots["at"] - 0.3
    axes.plot(dots["effect"], under, ".", color=GREY, markersize=3, label="a text", zorder=2)
    looks = ((False, COLOURS[0], "o", "prompt"), (True, COLOURS[1], "s", "moved the other way"))
    for anti, colour, marker, label in looks:
        rows = effects[effects["anti"] == anti]
        if len(rows):
            axes.hlines(
                rows["at"], rows["low"], rows["high"], color=colour, linewidth=1.4, zorder=3
            )
            axes.plot(
                rows["effect"],
                rows["at"],
                marker,
                color=colour,
                markersize=5 if named else 3,
                label=f"{label} ({len(rows)})",
                zorder=4,
            )
    _zero(axes)
    mean = float(effects["effect"].mean())
    axes.axvline(mean, color=GREY, linewidth=1.2, linestyle="--", label=f"mean {mean:+.2f}")
    names = [drawable(str(prompt), 28) for prompt in effects["prompt"]] if named else []
    axes.set_yticks(effects["at"] if named else [], names, fontsize=SMALL)
    for tick, anti in zip(axes.get_yticklabels(), effects["anti"] if named else [], strict=False):
        if anti:
            tick.set_fontweight("bold")
    axes.set_ylim(-0.8, len(effects) - 0.2)
    axes.set_xlim(*_reach(dots["effect"].to_numpy(float)))
    axes.set_xlabel(f"change of {drawable(judge, 34)}")
    if not named:
        axes.set_ylabel(f"{len(effects)} prompts, sorted")
    legend_outside(figure, [axes])
    return titled(figure, title)


def _reach(effects: np.ndarray) -> tuple[float, float]:
    """From the lowest text to the highest: an interval of two texts is many times as wide."""
    finite = np.append(effects[np.isfinite(effects)], 0.0)
    low, high = float(finite.min()), float(finite.max())
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


@checked
def sigma_bars(controlled: Mapping[str, ControlsResult], *, title: str = "") -> Figure:
    """Each direction's effect and interval beside the effects of all its controls.

    Grey dots are random directions, and the bar spans their mean ± 2 standard deviations: an
    effect at its end is 2 σ out. What σ came to stands at the right.

    Args:
        controlled: By the name of the direction.
        title: What the picture shows, in a sentence.

    Raises:
        DataError: There is none, or they were judged by several judges.
    """
    judges = {each.judge for each in controlled.values()}
    if len(judges) != 1:
        raise DataError(
            f"{len(controlled)} directions, judged by {sorted(judges)}; give one or more, all "
            "beside controls of one judge."
        )
    figure, axes = single(0.7 + 0.78 * len(controlled))
    _plain(axes)
    names = [drawable(name, 22) for name in controlled]
    for place, each in enumerate(controlled.values()):
        at = len(controlled) - 1 - place
        _controls(axes, each, at)
        effect = each.effect
        axes.hlines(at + 0.26, effect.low, effect.high, color=COLOURS[0], linewidth=1.8)
        axes.plot(
            [effect.estimate], [at + 0.26], "D", color=COLOURS[0], markersize=6.5, label=DIRECTION
        )
        sigma = _sigma(each)
        axes.annotate(
            f"{sigma:+.1f} σ".replace("-", "−") if np.isfinite(sigma) else "no σ",
            (1, at + 0.1),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    _zero(axes)
    axes.set_yticks(range(len(names))[::-1], names, fontsize=SMALL)
    axes.set_ylim(-0.62, len(names) - 0.38)
    kls = {each.kl for each in controlled.values()}
    footing = "equal dose" if None in kls else "equal KL"
    axes.set_xlabel(f"change of {drawable(judges.pop(), 34)} at {footing}, against no steering")
    legend_outside(figure, [axes])
    return titled(figure, title)


def _plain(axes: Axes) -> Axes:
    plain(axes).spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return axes


def _zero(axes: Axes) -> None:
    axes.axvline(0, color="black", linewidth=0.9, zorder=1)


def _controls(axes: Axes, each: ControlsResult, at: int) -> None:
    for kind, marker, colour, shift in _CONTROLS:
        effects = each.frame.loc[each.frame["kind"] == kind, "effect"].to_numpy(float)
        if not len(effects):
            continue
        if kind == RANDOM and len(effects) > 1:
            mean, spread = effects.mean(), effects.std(ddof=1)
            axes.barh(
                at, 4 * spread, 0.3, left=mean - 2 * spread, color=GRID, zorder=1,
                label="random, mean ± 2 σ",
            )  # fmt: skip
            axes.vlines(mean, at - 0.15, at + 0.15, color=GREY, linewidth=1.4, zorder=3)
        axes.plot(
            effects,
            np.full(len(effects), at + shift),
            marker,
            color=colour,
            markersize=4 if kind in (RANDOM, SHUFFLED) else 6,
            markeredgecolor=GREY if kind == RANDOM else colour,
            markeredgewidth=0.5 if kind == RANDOM else 1.0,
            linestyle="none",
            label=kind,
            zorder=2,
        )


def _sigma(each: ControlsResult) -> float:
    return each.sigma if RANDOM in each.comparisons.index else float("nan")
