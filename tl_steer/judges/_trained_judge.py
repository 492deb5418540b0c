"""A judge of any property for which there is a contrast set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tl_steer.arguments import Measured, Positive, checked
from tl_steer.data import ContrastSet
from tl_steer.errors import DataError
from tl_steer.judges._judges import checked_texts

_AT_LEAST = 8


@checked
@dataclass(frozen=True, eq=False)
class TrainedJudge:
    """The probability that a text is of the positive class, by its letters.

    Parts of words, two to four letters long, with 1 + log counts and inverse document frequencies,
    and a logistic regression on them: a few dozen texts of a class are enough for what shows in the
    words, such as style.
    """

    classifier: Pipeline = field(repr=False)
    name: str
    accuracy: Measured
    """The share of held-out texts on the right side of 0.5."""

    trained_on: str
    """Which texts, and how many."""

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Score texts: the probability of the positive class, in [0, 1].

        Raises:
            DataError: One string came, or something that is no string.
        """
        listed = checked_texts(texts)
        if not listed:
            return []
        scores: list[float] = self.classifier.predict_proba(listed)[:, 1].tolist()
        return scores


@checked
def train_judge(
    contrast: ContrastSet,
    *,
    held_out: ContrastSet,
    name: str,
    inverse_regularisation: Positive = 10.0,
) -> TrainedJudge:
    """Train a judge on texts that no direction was computed from.

    A judge that has seen a direction's texts only measures how well both learned them. Split
    first: ``contrast.split({"direction": 0.5, "judge": 0.5})``.

    Args:
        contrast: Texts of both classes, to train on.
        held_out: Others, to measure the accuracy on.
        name: What the judge is called in tables.
        inverse_regularisation: ``C`` of scikit-learn's logistic regression.

    Raises:
        DataError: For fewer than eight texts of a class, or texts that are in both sets.
    """
    counts = (len(contrast.positive), len(contrast.negative))
    if min(counts) < _AT_LEAST:
        raise DataError(
            f"A judge needs {_AT_LEAST} texts of each class, got {counts[0]} positive and "
            f"{counts[1]} negative."
        )
    shared = {*contrast.texts} & {*held_out.texts}
    if shared:
        raise DataError(
            f"{len(shared)} texts are both trained on and held out, such as {min(shared)[:60]!r}. "
            'Split them: contrast.split({"train": 0.5, "held-out": 0.5}).'
        )
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    classifier = make_pipeline(
        vectorizer, LogisticRegression(C=inverse_regularisation, max_iter=500)
    )
    classifier.fit(list(contrast.texts), np.array(contrast.labels))
    right = classifier.predict(list(held_out.texts)) == np.array(held_out.labels)
    return TrainedJudge(
        classifier,
        name,
        accuracy=float(right.mean()),
        trained_on=f"{sum(counts)} texts of {contrast.name or 'a set'}",
    )
