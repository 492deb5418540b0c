"""The packaged sentiment judge: word n-grams and logistic regression, trained on IMDB alone."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from tl_steer.data import ContrastSet, build_once, cache_dir, imdb, rotten_tomatoes
from tl_steer.errors import DataError, FileError, StorageError
from tl_steer.files.json_files import parsed_object
from tl_steer.files.opening import read_text, reading
from tl_steer.files.tensors import read_tensors
from tl_steer.files.writing import utf8, write_all
from tl_steer.judges._judges import checked_texts

_logger = logging.getLogger(__name__)

_FORMAT = "tl_steer.sentiment_judge.1"
_SETTINGS_FILE, _WEIGHTS_FILE = "judge.json", "weights.safetensors"


@dataclass(frozen=True)
class SentimentRecipe:
    """How the judge is trained.

    The defaults were chosen on a fifth of the training reviews, without the held-out ones. There
    the accuracy on pieces of 20 words rose from .702 (trained on whole reviews) to .723 (trained
    on such pieces), log loss fell from .573 to .540, and whole reviews were judged as well (.900
    and .902).
    """

    snippet_words: int = 20
    """Reviews are cut into pieces of this many words, about 30 tokens; each inherits the label."""
    min_df: int = 10
    """A word or a pair of words counts if this many training snippets have it."""
    inverse_regularisation: float = 2.0
    """`C` of scikit-learn's logistic regression."""
    held_out: float = 0.2
    """The share of the reviews that is kept for measuring; reviews are split, never snippets."""
    seed: int = 0
    """Which reviews are held out."""


@dataclass(frozen=True, eq=False)
class SentimentJudge:
    """The probability that a text speaks well of its film.

    The accuracies are shares of texts on the right side of 0.5, on texts that were never trained
    on.
    """

    vectorizer: TfidfVectorizer = field(repr=False)
    """Words and pairs of words, with 1 + log counts and inverse document frequencies."""
    classifier: LogisticRegression = field(repr=False)
    """Logistic regression on those features."""
    accuracy: float
    """On whole held-out IMDB reviews."""
    snippet_accuracy: float
    """On held-out IMDB snippets of the length trained on. Many carry no opinion at all."""
    transfer_accuracy: float
    """On all Rotten Tomatoes snippets: another source, which had no part in any choice."""
    trained_on: str
    """Which texts, and how many."""
    name: str = "sentiment"

    def __call__(self, texts: Sequence[str]) -> list[float]:
        """Score texts: the probability of "positive", in [0, 1].

        A text without any known word, the empty one among them, gets the classifier's prior, which
        is close to 0.5.

        Raises:
            DataError: One string came, or something that is no string.
        """
        listed = checked_texts(texts)
        if not listed:
            return []
        scores: list[float] = _probabilities(self.vectorizer, self.classifier, listed).tolist()
        return scores


def sentiment_judge() -> SentimentJudge:
    """Return the judge, trained on the packaged IMDB reviews the first time, then cached.

    It is not trained on the packaged Rotten Tomatoes reviews, so take directions from those: the
    judge has then never seen their texts. The cache holds only text and arrays; nothing in it is
    executed.

    Returns:
        The same judge every time: scores after reading are those after training, bit for bit.

    Raises:
        AssetError: The reviews cannot be fetched, or the cache cannot be written.
        StorageError: The cached judge is damaged.
    """
    recipe = SentimentRecipe()
    digest = hashlib.sha256(f"{_FORMAT} {recipe}".encode()).hexdigest()[:12]

    def build(folder: Path) -> None:
        _logger.info("training the sentiment judge, once")
        save_judge(train_sentiment_judge(imdb(), transfer=rotten_tomatoes(), recipe=recipe), folder)

    return load_judge(build_once(cache_dir() / "judges" / f"sentiment-{digest}", build))


def train_sentiment_judge(
    reviews: ContrastSet, *, transfer: ContrastSet, recipe: SentimentRecipe | None = None
) -> SentimentJudge:
    """Train on snippets of most reviews, and measure on the others.

    Args:
        reviews: Positive and negative reviews. A text that occurs twice is used once.
        transfer: Texts from elsewhere, only measured on.
        recipe: How to train, if not the usual way.

    Raises:
        DataError: Reviews and `transfer` share a text, there are fewer than 10 reviews of a class,
            or no word is frequent enough.
    """
    recipe = recipe or SentimentRecipe()
    labelled, other = _labelled(reviews), _labelled(transfer)
    _require_enough(labelled, other)
    texts, truth = list(labelled), list(labelled.values())
    train, held_out, train_labels, held_out_labels = train_test_split(
        texts, truth, test_size=recipe.held_out, random_state=recipe.seed, stratify=truth
    )
    snippets, labels = _snippets(train, train_labels, recipe.snippet_words)
    vectorizer, features = _features(snippets, recipe.min_df)
    classifier = LogisticRegression(C=recipe.inverse_regularisation, max_iter=500)
    classifier.fit(features, labels)

    def accuracy(texts: Sequence[str], truth: Sequence[int]) -> float:
        judged = _probabilities(vectorizer, classifier, texts) > 0.5
        return float(np.mean(judged == np.asarray(truth, dtype=bool)))

    return SentimentJudge(
        vectorizer,
        classifier,
        accuracy=accuracy(held_out, held_out_labels),
        snippet_accuracy=accuracy(*_snippets(held_out, held_out_labels, recipe.snippet_words)),
        transfer_accuracy=accuracy(list(other), list(other.values())),
        trained_on=f"{len(train)} texts of {reviews.name or 'a set'}, "
        f"cut into {len(snippets)} snippets of {recipe.snippet_words} words",
    )


def _require_enough(labelled: Mapping[str, int], other: Mapping[str, int]) -> None:
    shared = labelled.keys() & other.keys()
    if shared:
        raise DataError(
            f"{len(shared)} texts are in both the training and the transfer set, such as "
            f"{min(shared)[:60]!r}. Remove them from one."
        )
    n_positive = sum(labelled.values())
    if min(n_positive, len(labelled) - n_positive) < 10:
        raise DataError(
            f"A judge needs at least 10 texts of each class, got {n_positive} positive and "
            f"{len(labelled) - n_positive} negative, each counted once and none with both labels."
        )


def _features(snippets: Sequence[str], min_df: int) -> tuple[TfidfVectorizer, Any]:
    vectorizer = _vectorizer(min_df=min_df)
    try:
        return vectorizer, vectorizer.fit_transform(snippets)
    except ValueError as error:
        raise DataError(
            f"No word occurs in {min_df} of the {len(snippets)} training snippets. Give "
            "more reviews, or a recipe with a lower min_df."
        ) from error


def save_judge(judge: SentimentJudge, folder: Path) -> None:
    """Write a judge into an existing folder, as JSON (vocabulary, figures) and safetensors."""
    settings = {
        "format": _FORMAT,
        "figures": {
            field: getattr(judge, field)
            for field in ("accuracy", "snippet_accuracy", "transfer_accuracy", "trained_on", "name")
        },
        # In the order of the columns.
        "vocabulary": judge.vectorizer.get_feature_names_out().tolist(),
    }
    arrays = {
        "idf": judge.vectorizer.idf_,
        "coefficients": judge.classifier.coef_[0],
        "intercept": judge.classifier.intercept_,
    }
    weights = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    files = {_WEIGHTS_FILE: weights, _SETTINGS_FILE: utf8(json.dumps(settings))}
    write_all({folder / name: data for name, data in files.items()})


def load_judge(folder: Path) -> SentimentJudge:
    """Read what `save_judge` wrote.

    Raises:
        StorageError: Something is missing, damaged, or from another version; the message names the
            folder to delete.
    """
    settings, weights = folder / _SETTINGS_FILE, folder / _WEIGHTS_FILE
    try:
        described = parsed_object(read_text(settings), str(settings))
        tensors, _ = read_tensors(weights, "", "")
        with reading(folder, "a judge as it was written", ""):
            return _restored(described, {name: each.numpy() for name, each in tensors.items()})
    except FileError as error:
        raise StorageError(
            f"{folder}: the sentiment judge there cannot be read: {error} Delete the folder: "
            "sentiment_judge() trains it again, in about half a minute."
        ) from error


def _restored(settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SentimentJudge:
    if settings["format"] != _FORMAT:
        raise ValueError(f"format {settings['format']!r} instead of {_FORMAT!r}")
    vocabulary, figures = settings["vocabulary"], settings["figures"]
    idf, coefficients, intercept = arrays["idf"], arrays["coefficients"], arrays["intercept"]
    if not all(isinstance(word, str) for word in vocabulary):
        raise ValueError("the vocabulary has entries that are not words")
    if not idf.shape == coefficients.shape == (len(vocabulary),) or intercept.shape != (1,):
        raise ValueError("vocabulary and weights differ in length")
    if any(array.dtype.kind != "f" for array in (idf, coefficients, intercept)):
        raise ValueError("a weight is of another type")
    if not all(np.isfinite(array).all() for array in (idf, coefficients, intercept)):
        raise ValueError("a weight is not a finite number")
    vectorizer = _vectorizer(vocabulary=vocabulary)
    vectorizer.idf_ = idf
    classifier = LogisticRegression()
    classifier.classes_ = np.array([0, 1])
    classifier.coef_ = coefficients[None]
    classifier.intercept_ = intercept
    classifier.n_features_in_ = len(vocabulary)
    return SentimentJudge(
        vectorizer,
        classifier,
        accuracy=float(figures["accuracy"]),
        snippet_accuracy=float(figures["snippet_accuracy"]),
        transfer_accuracy=float(figures["transfer_accuracy"]),
        trained_on=str(figures["trained_on"]),
        name=str(figures["name"]),
    )


def _vectorizer(*, min_df: int = 1, vocabulary: list[str] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=min_df,
        vocabulary=vocabulary,
        # "isn't" is one word, and "I" counts.
        token_pattern=r"(?u)\b\w[\w']*\b",
        dtype=np.float32,
    )


def _probabilities(
    vectorizer: TfidfVectorizer, classifier: LogisticRegression, texts: Sequence[str]
) -> NDArray[np.floating]:
    features = vectorizer.transform(texts)
    probabilities: NDArray[np.floating] = classifier.predict_proba(features)[:, 1]
    return probabilities


def _labelled(texts: ContrastSet) -> dict[str, int]:
    """Each text once, with its label; none that has both labels."""
    positive, negative = dict.fromkeys(texts.positive, 1), dict.fromkeys(texts.negative, 0)
    both = positive.keys() & negative.keys()
    return {text: label for text, label in (positive | negative).items() if text not in both}


def _snippets(
    texts: Sequence[str], labels: Sequence[int], n_words: int
) -> tuple[list[str], list[int]]:
    """Cut texts into pieces of `n_words`; a last piece under half of that is dropped."""
    pieces: list[str] = []
    labels_of_pieces: list[int] = []
    for text, label in zip(texts, labels, strict=True):
        words = text.split()
        for start in range(0, len(words), n_words):
            piece = words[start : start + n_words]
            if start == 0 or 2 * len(piece) >= n_words:
                pieces.append(" ".join(piece))
                labels_of_pieces.append(label)
    return pieces, labels_of_pieces
