"""Judges made from a scikit-learn or Hugging Face classifier, or any function."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from tl_steer.arguments import came, checked
from tl_steer.data import short
from tl_steer.errors import DataError, NonFiniteError
from tl_steer.judges._judges import checked_texts

TextFunction = Callable[[list[str]], Sequence[float]]
"""From texts to one number for each."""


@checked
@dataclass(frozen=True, eq=False)
class FunctionJudge:
    """A function as a judge, with its results checked; made by :func:`function_judge`."""

    name: str
    function: TextFunction = field(repr=False)

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Score texts.

        Raises:
            DataError: For one string, or anything but strings; or if the function did not return
                one number for each text.
            NonFiniteError: It returned NaN or infinity.
        """
        listed = checked_texts(texts)
        if not listed:
            return []
        # A user's function may return anything.
        found: Any = self.function(list(listed))
        try:
            scores = [float(each) for each in found]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{self.name} returned {short(found)}. Return a list with one number for each of "
                f"the {len(listed)} texts."
            ) from error
        if len(scores) != len(listed):
            raise DataError(
                f"{self.name} gave {len(scores)} scores for {len(listed)} texts. Return one for "
                "each."
            )
        for text, score in zip(listed, scores, strict=True):
            if not math.isfinite(score):
                raise NonFiniteError(f"{self.name} gave {score} for the text {short(text)}.")
        return scores


@checked
def function_judge(name: str, function: TextFunction) -> FunctionJudge:
    """Make a judge from any function from texts to numbers.

    Numbers from 0 (lacks the property) to 1 (has it) fit everything else here, such as the share of
    texts over 0.5; other scales pass unchanged.

    Args:
        name: The judge's name in tables.
        function: Takes a list of strings and returns as many numbers, in order. A text's number
            should not depend on the other texts.

    Raises:
        DataError: For an empty name, or anything that cannot be called.

    Example:
        >>> function_judge("shouts", lambda texts: [float(text.isupper()) for text in texts])
    """
    if not name or not callable(function):
        raise DataError(
            f"Got name={name!r} and function={short(function)}. Expected a name and a function of "
            "a list of texts."
        )
    return FunctionJudge(name, function)


@checked
def classifier_judge(classifier: Any, *, positive: Any, name: str) -> FunctionJudge:
    """Make a judge from a fitted scikit-learn classifier or a Hugging Face pipeline.

    The score is the probability of the class ``positive``:

    - from ``predict_proba``, if the classifier has it;
    - otherwise ``1 / (1 + exp(−d))`` of ``decision_function`` for that class against the others,
      which is ordered but not calibrated;
    - for a Hugging Face text-classification pipeline, the score of that label, whether it returns
      all labels (``top_k=None``) or only the likeliest. With two labels, the other one scores 1
      minus that; with more, it is unknown and refused.

    A classifier is good at texts like its training texts, which continuations of 20 tokens may not
    be: measure it on some before you trust it.

    Args:
        classifier: Takes texts: ``make_pipeline(TfidfVectorizer(), LogisticRegression())``, or
            ``transformers.pipeline("text-classification", top_k=None, …)``. Truncating long texts
            is up to it.
        positive: The class, as in ``classes_``, or the label, as in ``model.config.id2label``.
        name: What the judge is called in tables.

    Raises:
        DataError: For a classifier that is not fitted, lacks the class, or cannot be called.
    """
    if hasattr(classifier, "predict_proba") or hasattr(classifier, "decision_function"):
        return function_judge(name, _sklearn(classifier, positive, name))
    if hasattr(classifier, "fit") or not callable(classifier):
        raise DataError(
            f"{name}: {came(classifier)} has neither predict_proba nor decision_function, and is "
            "not a pipeline that takes texts."
        )
    return function_judge(name, _pipeline(classifier, positive, name))


@dataclass(frozen=True, eq=False)
class _Column:
    """One class of a scikit-learn classifier."""

    classifier: Any
    column: int
    name: str

    def __call__(self, texts: list[str]) -> list[float]:
        try:
            if hasattr(self.classifier, "predict_proba"):
                found = np.asarray(self.classifier.predict_proba(texts))[:, self.column]
            else:
                decision = np.asarray(self.classifier.decision_function(texts))
                # Of two classes there is one number, which speaks for the second.
                one = decision.ndim == 1
                found = decision * (2 * self.column - 1) if one else decision[:, self.column]
                found = expit(found)
        except ValueError as error:
            raise DataError(
                f"{self.name}: {type(self.classifier).__name__} cannot take a list of texts "
                f"({str(error).splitlines()[0]}). Put what turns texts into features before it: "
                "make_pipeline(vectorizer, classifier)."
            ) from error
        scores: list[float] = found.tolist()
        return scores


def _sklearn(classifier: Any, positive: Any, name: str) -> TextFunction:
    classes = getattr(classifier, "classes_", None)
    if classes is None:
        raise DataError(f"{name}: {type(classifier).__name__} is not fitted. Fit it first.")
    known = np.asarray(classes).tolist()
    if positive not in known:
        raise DataError(f"{name}: positive={positive!r} is not one of its classes: {known}.")
    return _Column(classifier, known.index(positive), name)


@dataclass(frozen=True, eq=False)
class _Label:
    """One label of a Hugging Face pipeline."""

    classifier: Any
    positive: Any
    name: str
    other_is_rest: bool

    def __call__(self, texts: list[str]) -> list[float]:
        replies = list(self.classifier(texts))
        if len(replies) != len(texts):
            raise DataError(f"{self.name} gave {len(replies)} replies for {len(texts)} texts.")
        return [self._of_one(text, reply) for text, reply in zip(texts, replies, strict=True)]

    def _of_one(self, text: str, reply: Any) -> float:
        try:
            alone = isinstance(reply, Mapping)
            scores = {each["label"]: each["score"] for each in ([reply] if alone else reply)}
        except (TypeError, KeyError) as error:
            raise DataError(
                f"{self.name} replied {short(reply)} to {short(text)}; "
                '{"label": …, "score": …}, or a list of these, is wanted.'
            ) from error
        if self.positive in scores:
            return float(scores[self.positive])
        if len(scores) == 1 and self.other_is_rest:
            return 1 - float(next(iter(scores.values())))
        raise DataError(
            f"{self.name} replied {short(reply)} to {short(text)}, without the label "
            f"{self.positive!r}. Make the pipeline with top_k=None, so that it returns all labels."
        )


def _pipeline(classifier: Any, positive: Any, name: str) -> TextFunction:
    config = getattr(getattr(classifier, "model", None), "config", None)
    labels = list((getattr(config, "id2label", None) or {}).values())
    if labels and positive not in labels:
        raise DataError(f"{name}: positive={positive!r} is not one of its labels: {labels}.")
    several = getattr(config, "problem_type", None) == "multi_label_classification"
    return _Label(classifier, positive, name, len(labels) == 2 and not several)
