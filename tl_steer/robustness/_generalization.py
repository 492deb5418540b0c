"""Does it hold elsewhere? One steering on other phrasings, domains, and prompts that resist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import Confidence, Count, Seed, checked
from tl_steer.data import plain_texts
from tl_steer.drawing.canvas import blank_figure, legend_above, level
from tl_steer.drawing.colours import COLOURS
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError, MismatchError
from tl_steer.generation import Generations, Sampling, compare
from tl_steer.judges import Judge, require_judges, scores_of
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat, check_lengths, tokenize
from tl_steer.metrics import perplexity
from tl_steer.page.html import result_html
from tl_steer.statistics import paired_difference, prompts_of
from tl_steer.steering import SteeringLike, as_steering

UNSTEERED, STEERED = "unsteered", "steered"


@checked
@dataclass(frozen=True, eq=False)
class Generalization:
    """What one steering does to several sets of prompts; made by :func:`generalization`."""

    frame: pd.DataFrame
    """One row for each set and judge: ``prompts`` (name of the set), ``judge``, ``n_prompts``,
    ``unsteered`` and ``steered`` (mean scores), ``effect`` (their difference) with the ends ``low``
    and ``high`` of its paired bootstrap interval over prompts, ``perplexity_ratio`` (steered over
    unsteered text, under the unsteered model) and ``wrong_way`` (share of prompts whose mean
    score moved against what is wanted)."""

    by_prompt: pd.DataFrame
    """One row for each set, judge and prompt: ``prompts``, ``judge``, ``prompt_index``, ``prompt``,
    ``unsteered``, ``steered`` and ``effect``, means over its samples."""

    generations: Mapping[str, Generations] = field(repr=False)
    """By set, every text, with a column of scores for each judge, under its name."""

    more: bool
    """Whether higher scores are wanted."""

    def worst(self, n: Count = 8) -> pd.DataFrame:
        """The prompts that moved least as wanted, or most against it, over all sets."""
        moved = self.by_prompt["effect"] * (1 if self.more else -1)
        return self.by_prompt.loc[moved.sort_values(kind="stable").index[:n]]

    def plot(self) -> Figure:
        """The effect on each set with its interval, and a dot for each of its prompts."""
        sets, judges = list(self.generations), list(dict.fromkeys(self.frame["judge"]))
        figure, (axes,) = blank_figure(1.0 + 0.34 * len(sets) * len(judges), 1)
        for number, judge in enumerate(judges):
            colour = COLOURS[number % len(COLOURS)]
            side = 0.7 * ((number + 0.5) / len(judges) - 0.5)
            dots = self.by_prompt[self.by_prompt["judge"] == judge]
            heights = [sets.index(name) + side for name in dots["prompts"]]
            axes.plot(dots["effect"], heights, ".", color=colour, alpha=0.3, markersize=6)
            rows = self.frame[self.frame["judge"] == judge]
            at = np.array([sets.index(name) + side for name in rows["prompts"]])
            axes.hlines(at, rows["low"], rows["high"], color=colour, linewidth=2.2)
            axes.plot(rows["effect"], at, "D", color=colour, markersize=6, label=drawable(judge))
        level(axes, 0, upright=True)
        axes.set_yticks(range(len(sets)), [drawable(name, 24) for name in sets])
        axes.invert_yaxis()
        axes.set(xlabel="change of the mean score")
        legend_above(axes)
        return figure

    def __repr__(self) -> str:
        """One line a set and judge."""
        lines = [
            f"  {row['prompts']}: {row['judge']} {row['effect']:+.3f} "
            f"[{row['low']:+.3f}, {row['high']:+.3f}], perplexity × {row['perplexity_ratio']:.2f}, "
            f"{row['wrong_way']:.0%} of {row['n_prompts']} prompts the wrong way"
            for _, row in self.frame.iterrows()
        ]
        return "\n".join(["Generalization(", *lines]) + ")"

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame)


@checked
def generalization(
    model: SteerableModel,
    steering: SteeringLike,
    prompt_sets: Mapping[str, Sequence[str]],
    judges: Judge | Sequence[Judge],
    sampling: Sampling = Sampling(samples=4),  # noqa: B008, frozen
    *,
    more: bool = True,
    chat: Chat | None = None,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> Generalization:
    """Steer several sets of prompts in the same way, and set the effects beside each other.

    ::

        from tl_steer.robustness._film_prompts import DOMAINS, PHRASINGS, RESISTING

        ts.robustness.generalization(
            model, steering, {"at home": prompts, "phrasings": PHRASINGS, **DOMAINS}, judge
        )

    The difference between steered and unsteered text of the same prompt, sample and random
    numbers; nothing is fitted anew. Put the prompts that the steering was chosen on among the sets,
    or there is nothing to compare with.

    Args:
        model: Any TransformerLens model.
        steering: The same for all rows.
        prompt_sets: By name, prompts to be continued; two or more each, for an interval.
        judges: Each gives a text a number; they read continuations without their prompt.
        sampling: How texts are drawn.
        more: Whether the steering is to raise the scores; otherwise to lower them.
        chat: Put each prompt into the chat template, as the user's turn.
        confidence: Of the intervals.
        seed: Of the bootstrap; the sampling has its own.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        A row a set and judge, effects by prompt, all texts, and a figure.

    Raises:
        DataError: For no sets, an empty one, prompts beyond the context, or a judge that does not
            give one number for each text.
        MismatchError: For a steering with settings per row, or of another model.
        NonFiniteError: When logits or scores are not finite.
    """
    steering = as_steering(steering)
    several = require_judges(judges)
    if not several:
        raise DataError("Expected at least one judge, got none.")
    sets = _sets(prompt_sets)
    if steering.n_rows is not None:
        raise MismatchError(
            f"The steering has settings for {steering.n_rows} rows. Give one for all: the sets "
            "have other prompts."
        )
    steering.check_fits(model)
    for prompts in sets.values():
        rows = tokenize(model, prompts, chat=chat)
        check_lengths(model, rows, prompts, room=sampling.max_new_tokens)
    rows_found: list[dict[str, object]] = []
    per_prompt: list[pd.DataFrame] = []
    texts: dict[str, Generations] = {}
    for name, prompts in sets.items():
        written = compare(
            model,
            prompts,
            {UNSTEERED: None, STEERED: steering},
            sampling,
            chat=chat,
            max_tokens=max_tokens,
            progress=progress,
        )
        perplexities = perplexity(model, written, max_tokens=max_tokens, progress=progress)
        scored = written.frame.assign(
            **{judge.name: scores_of(judge, written.texts) for judge in several}
        )
        texts[name] = Generations(scored, sampling, written.path)
        before, after = (texts[name].of(each).frame for each in (UNSTEERED, STEERED))
        for judge in several:
            one, other = (each[judge.name].to_numpy(float) for each in (before, after))
            found = paired_difference(
                other, one, prompts_of(before), confidence=confidence, seed=seed
            )
            means = before[["prompt_index", "prompt"]].assign(unsteered=one, steered=other)
            by_prompt = means.groupby(["prompt_index", "prompt"], as_index=False).mean()
            by_prompt["effect"] = by_prompt["steered"] - by_prompt["unsteered"]
            by_prompt.insert(0, "judge", judge.name)
            by_prompt.insert(0, "prompts", name)
            per_prompt.append(by_prompt)
            against = by_prompt["effect"] < 0 if more else by_prompt["effect"] > 0
            rows_found.append(
                {
                    "prompts": name,
                    "judge": judge.name,
                    "n_prompts": len(prompts),
                    "unsteered": float(one.mean()),
                    "steered": float(other.mean()),
                    "effect": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "perplexity_ratio": perplexities[STEERED] / perplexities[UNSTEERED],
                    "wrong_way": float(against.mean()),
                }
            )
    by_prompt = pd.concat(per_prompt, ignore_index=True)
    return Generalization(pd.DataFrame(rows_found), by_prompt, texts, more)


def _sets(prompt_sets: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    if not prompt_sets:
        raise DataError('no set came; give prompts by name: {"at home": [...], "hotels": [...]}.')
    sets = {str(name): plain_texts(each, f"{name}") for name, each in prompt_sets.items()}
    for name, prompts in sets.items():
        if not prompts:
            raise DataError(f"{name!r} holds no prompt. Give two or more, or leave it out.")
    return sets
