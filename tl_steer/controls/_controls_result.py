"""What a direction does, beside what its controls do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import checked
from tl_steer.directions import AnyDirection
from tl_steer.dosing import NEAR
from tl_steer.drawing.canvas import blank_figure, legend_above, level
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.words import drawable
from tl_steer.generation import Generations
from tl_steer.page.html import result_html
from tl_steer.statistics import (
    Interval,
    holm,
    paired_difference,
    prompts_of,
    rank_p_value,
    sigma_above,
)

DIRECTION, RANDOM, SHUFFLED = "direction", "random", "shuffled"
ORTHOGONAL, INSTRUCTION, NONE = "orthogonal", "instruction", "none"
_TESTED = (RANDOM, SHUFFLED)


@checked
@dataclass(frozen=True, eq=False)
class ControlsResult:
    """What a direction does, beside what its controls do; made by ``against_controls``."""

    frame: pd.DataFrame
    """One row a condition: ``kind`` (``direction``, ``random``, ``shuffled``, ``orthogonal``,
    ``instruction`` or ``none``), ``name``, ``strength``, relative ``dose``, ``kl`` (mean over the
    prompts, of the next token, in nats), ``judge`` (mean score), ``effect`` (that minus the mean
    score without steering) and ``perplexity`` (under the unsteered model, after the prompt
    alone)."""

    comparisons: pd.DataFrame
    """One row a kind of control: ``controls`` (how many), ``difference`` (the direction's mean
    score minus theirs) with the ends ``low`` and ``high`` of its paired bootstrap interval over
    prompts; and for random and shuffled directions ``sigma``, ``p_value`` (by rank) and
    ``p_holm`` (corrected for these comparisons)."""

    effect: Interval
    """The direction's mean score minus that without steering, paired, over prompts."""

    generations: Generations
    """Every text under the name of its condition, with its ``score``."""

    directions: Mapping[str, AnyDirection] = field(repr=False)
    """By name, what was added."""

    judge: str
    """Whose scores these are."""

    kl: float | None
    """What all additions were brought to, in nats; ``None`` when they were given at one dose."""

    @property
    def sigma(self) -> float:
        """Standard deviations that the effect lies above the random directions."""
        return float(self.comparisons.loc[RANDOM, "sigma"])

    @property
    def p_value(self) -> float:
        """Of the rank among the random directions, not corrected."""
        return float(self.comparisons.loc[RANDOM, "p_value"])

    @property
    def unmatched(self) -> list[str]:
        """Names of the additions that did not reach the KL; their effects are too small."""
        if self.kl is None:
            return []
        short = self.frame["name"].isin(list(self.directions)) & (
            self.frame["kl"] < (1 - NEAR) * self.kl
        )
        return list(self.frame.loc[short, "name"])

    def plot(self) -> Figure:
        """Effects of the random directions as a histogram, and where the others lie."""
        figure, (axes,) = blank_figure(3.4, 1)
        several = {kind: self._effects(kind) for kind in (RANDOM, SHUFFLED)}
        edges = np.histogram_bin_edges(np.concatenate([*several.values()]), bins=12)
        looks = {RANDOM: (True, COLOURS[0]), SHUFFLED: (False, COLOURS[2])}
        for kind, (filled, colour) in looks.items():
            if len(several[kind]):
                axes.hist(
                    several[kind],
                    bins=list(edges),
                    histtype="stepfilled" if filled else "step",
                    alpha=0.45 if filled else 1.0,
                    color=colour,
                    linewidth=1.8,
                    label=f"{kind} ({len(several[kind])})",
                )
        level(axes, 0, "no steering", upright=True)
        if np.isfinite([self.effect.low, self.effect.high]).all():
            axes.axvspan(self.effect.low, self.effect.high, color=COLOURS[1], alpha=0.15)
        axes.axvline(self.effect.estimate, color=COLOURS[1], linewidth=2.2, label="the direction")
        marks = ((ORTHOGONAL, "^", COLOURS[3]), (INSTRUCTION, "D", COLOURS[4]))
        for kind, marker, colour in marks:
            at = self._effects(kind)
            if len(at):
                # On the axis itself, so that they hide nothing.
                axes.plot(
                    at,
                    np.zeros(len(at)),
                    marker,
                    color=colour,
                    markersize=7,
                    clip_on=False,
                    label=kind,
                    linestyle="none",
                )
        footing = "equal dose" if self.kl is None else f"KL {self.kl:g} nats"
        axes.set(xlabel=f"change of {drawable(self.judge, 30)} at {footing}", ylabel="directions")
        legend_above(axes)
        return figure

    def _effects(self, kind: str) -> np.ndarray:
        found: np.ndarray = self.frame.loc[self.frame["kind"] == kind, "effect"].to_numpy(float)
        return found

    def __repr__(self) -> str:
        """The result in a few lines."""
        footing = "equal dose" if self.kl is None else f"KL {self.kl:g}"
        lines = [f"ControlsResult({self.judge} {self.effect} at {footing}"]
        for kind, row in self.comparisons.iterrows():
            line = f"  {row['difference']:+.3f} above {int(row['controls'])} {kind}"
            if not np.isnan(row["p_value"]):
                line += f": {row['sigma']:.1f} σ, p = {row['p_value']:.3f}"
            lines.append(line)
        if self.unmatched:
            lines.append(f"  {len(self.unmatched)} did not reach that KL: {self.unmatched[:4]}")
        return "\n".join(lines) + ")"

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.comparisons, self.frame, most=12)


def compared(
    frame: pd.DataFrame, texts: pd.DataFrame, *, confidence: float, seed: int
) -> pd.DataFrame:
    """Set the direction against each kind of control; see :attr:`ControlsResult.comparisons`.

    Args:
        frame: A row for each condition with ``kind``, ``name`` and ``effect``.
        texts: A row for each text with ``condition``, ``prompt_index`` and ``score``, in one order
            under all conditions.
        confidence: Of the intervals.
        seed: Of the bootstrap.
    """
    scores = {str(name): part["score"].to_numpy(float) for name, part in texts.groupby("condition")}
    prompt = prompts_of(texts[texts["condition"] == DIRECTION])
    effect = float(frame.loc[frame["kind"] == DIRECTION, "effect"].iloc[0])
    rows = {}
    for kind, own in frame[frame["kind"] != DIRECTION].groupby("kind", sort=False):
        theirs = np.mean([scores[name] for name in own["name"]], axis=0)
        between = paired_difference(
            scores[DIRECTION], theirs, prompt, confidence=confidence, seed=seed
        )
        tested, effects = kind in _TESTED, own["effect"].to_numpy(float)
        rows[kind] = {
            "controls": len(own),
            "difference": between.estimate,
            "low": between.low,
            "high": between.high,
            "sigma": sigma_above(effect, effects) if tested else float("nan"),
            "p_value": rank_p_value(effect, effects) if tested else float("nan"),
            "p_holm": float("nan"),
        }
    found = pd.DataFrame.from_dict(rows, orient="index")
    tests = found["p_value"].notna()
    found.loc[tests, "p_holm"] = holm(found.loc[tests, "p_value"].to_numpy(float))
    return found
