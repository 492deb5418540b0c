"""Ratings: what people said of texts, as a tidy frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from tl_steer.arguments import Confidence, Count, Seed, checked
from tl_steer.generation import Generations
from tl_steer.page.html import result_html
from tl_steer.people._agreement import Agreement, Level, agreement
from tl_steer.people._beside import beside
from tl_steer.people._figure import preference_figure, rating_figure
from tl_steer.people._question import Question
from tl_steer.people._summary import of_texts, summary_of_pairs, summary_of_singles


@checked
@dataclass(frozen=True, eq=False)
class Ratings:
    """What people said of texts; made by ``read_ratings``."""

    frame: pd.DataFrame = field(repr=False)
    """One row for each rater and item: ``rater``, ``item``, ``condition``, ``prompt_index``,
    ``sample``, ``rating`` (NaN without an answer), ``repeat`` (whether it is the second showing),
    ``skipped`` (preferred not to say), ``missing`` (the rater's file lacks it) and ``comment``.
    Of pairs also ``other`` and ``side``; there ``rating`` is 1 where the text of ``condition`` was
    preferred, 0 where that of ``other`` was, and ½ for no difference."""

    question: Question
    """What was asked."""

    sheet: str
    """Name of the sheet."""

    @property
    def raters(self) -> list[str]:
        """Their names, in the order in which they were read."""
        return list(dict.fromkeys(self.frame["rater"]))

    @property
    def texts(self) -> pd.DataFrame:
        """One row a text or pair that somebody rated, with the mean ``rating`` of all ``raters``.

        Repeats do not count.
        """
        return of_texts(self.frame)

    def summary(
        self, *, baseline: str | None = None, confidence: Confidence = 0.95, seed: Seed = 0
    ) -> pd.DataFrame:
        """What people said of each condition.

        The rating of a text is the mean over those who rated it, at the first showing. Intervals
        are bootstrapped over prompts, all texts of a prompt together, and hold for these raters:
        others may judge otherwise.

        Args:
            baseline: Of single texts, the condition with which the others are compared on the same
                prompts and samples.
            confidence: Of the intervals.
            seed: Of the bootstrap.

        Returns:
            A row a condition. Of single texts ``rating`` with ``low`` and ``high``, ``texts``,
            ``prompts`` and ``ratings``; with a baseline also ``difference``, ``difference_low`` and
            ``difference_high``. Of pairs ``preferred``, the share of pairs won, ties counted as
            half, with ``low`` and ``high``, ``pairs``, ``prompts``, ``ratings``, ``won`` (prompts
            with a share above ½), ``lost``, and ``p_value`` of the two-sided sign test over prompts
            without the ties.

        Raises:
            DataError: For no answer at all, or a baseline that is not there or is of pairs.
        """
        if self.question.kind == "pair":
            return summary_of_pairs(self.frame, baseline, confidence=confidence, seed=seed)
        return summary_of_singles(self.frame, baseline, confidence=confidence, seed=seed)

    def agreement(
        self,
        *,
        level: Level | None = None,
        confidence: Confidence = 0.95,
        draws: Count = 999,
        seed: Seed = 0,
    ) -> Agreement:
        """Say how far raters agree with each other, and with themselves.

        Args:
            level: How differences count, ``"nominal"``, ``"ordinal"`` or ``"interval"``; without
                it ordinal for a scale, and nominal for pairs.
            confidence: Of the interval.
            draws: Samples of the bootstrap over items.
            seed: Of the bootstrap.

        Raises:
            SteerError: When ``krippendorff`` is not installed.
            DataError: For a level, confidence or draws that cannot be.
        """
        level = level or ("nominal" if self.question.kind == "pair" else "ordinal")
        return agreement(
            self.frame,
            self.question.values,
            level=level,
            confidence=confidence,
            draws=draws,
            seed=seed,
        )

    def beside(
        self,
        judged: Generations | pd.DataFrame,
        *,
        judges: Sequence[str],
        confidence: Confidence = 0.95,
        seed: Seed = 0,
    ) -> pd.DataFrame:
        """Set people beside automatic judges, text by text.

        Spearman's rank correlation of the texts' mean ratings with a judge's scores; of pairs, of
        the share that preferred one text with the difference of the two texts' scores.

        Args:
            judged: A row a text with ``condition``, ``prompt_index`` and ``sample``, and the
                judges' scores; such as the frame of the generations with scores added.
            judges: Names of the columns with scores.
            confidence: Of the interval, bootstrapped over prompts.
            seed: Of the bootstrap.

        Returns:
            A row a judge: ``spearman`` with ``low`` and ``high``, and ``texts``. NaN where ratings
            or scores are all the same.

        Raises:
            DataError: For a column, or a rated text, that is not in ``judged``.
            NonFiniteError: For a score that is NaN or infinite.
        """
        frame = judged.frame if isinstance(judged, Generations) else judged
        return beside(self.texts, frame, judges, confidence=confidence, seed=seed)

    def plot(self) -> Figure:
        """Means and intervals by condition, over the texts; of pairs, the shares preferred."""
        summary = self.summary()
        if self.question.kind == "pair":
            return preference_figure(summary, self.question)
        return rating_figure(summary, self.texts, self.question)

    def __len__(self) -> int:
        """How many answers."""
        return int(self.frame["rating"].notna().sum())

    def __repr__(self) -> str:
        """Who answered what, and what is open."""
        conditions = list(dict.fromkeys(self.frame["condition"]))
        if self.question.kind == "pair":
            conditions += list(dict.fromkeys(self.frame["other"]))
        skipped = int(self.frame["skipped"].sum())
        people = "1 rater" if len(self.raters) == 1 else f"{len(self.raters)} raters"
        without = len(self.frame) - len(self) - skipped
        return (
            f"Ratings({self.question.text!r}; {len(self)} answers of {people}, "
            f"{skipped} preferred not to say, {without} without an answer; "
            f"{', '.join(conditions)}; sheet {self.sheet})"
        )

    def _repr_html_(self) -> str:
        return result_html(repr(self), *([self.summary()] if len(self) else []))
