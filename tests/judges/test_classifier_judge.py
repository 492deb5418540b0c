"""Classifiers and functions as judges, against what they say themselves."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from models import tokenizer
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from transformers import BertConfig, BertForSequenceClassification, pipeline

from tl_steer.errors import DataError, NonFiniteError
from tl_steer.judges._classifier_judge import classifier_judge, function_judge
from tl_steer.judges._judges import Judge

TEXTS = ["great film", "awful film", "a film", "loved it", "hated it", "the plot"]
LABELS = ["good", "bad", "none", "good", "bad", "none"]


def fitted(classifier: Any, labels: Any = LABELS) -> Any:
    return make_pipeline(CountVectorizer(), classifier).fit(TEXTS, labels)


@pytest.mark.parametrize("positive", ["good", "bad", "none"])
def test_probabilities_of_the_class(positive: str) -> None:
    classifier = fitted(LogisticRegression())
    judge = classifier_judge(classifier, positive=positive, name="mine")
    assert isinstance(judge, Judge)
    assert judge.name == "mine"
    column = list(classifier.classes_).index(positive)
    assert judge(TEXTS) == classifier.predict_proba(TEXTS)[:, column].tolist()
    assert judge([]) == []
    with pytest.raises(DataError, match="got one string"):
        judge("a text")


def test_numbers_as_classes() -> None:
    classifier = fitted(LogisticRegression(), [1, 0, 0, 1, 0, 0])
    judge = classifier_judge(classifier, positive=1, name="mine")
    assert judge(TEXTS) == classifier.predict_proba(TEXTS)[:, 1].tolist()


@pytest.mark.parametrize("kind", [LinearSVC, RidgeClassifier])
def test_decisions_through_a_logistic(kind: Any) -> None:
    two = ["good", "bad", "bad", "good", "bad", "bad"]
    classifier = fitted(kind(), two)
    assert not hasattr(classifier, "predict_proba")
    for positive, sign in (("good", 1), ("bad", -1)):
        scores = classifier_judge(classifier, positive=positive, name="svm")(TEXTS)
        expected = [
            1 / (1 + math.exp(-sign * d)) for d in classifier.decision_function(TEXTS).tolist()
        ]
        assert scores == pytest.approx(expected)
        assert [s > 0.5 for s in scores] == (classifier.predict(TEXTS) == positive).tolist()
    three = fitted(kind())
    scores = classifier_judge(three, positive="none", name="svm")(TEXTS)
    column = list(three.classes_).index("none")
    decisions = three.decision_function(TEXTS)[:, column]
    assert scores == pytest.approx((1 / (1 + np.exp(-decisions))).tolist())


def small_pipeline(n_labels: int = 2, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32, num_labels=n_labels,
        initializer_range=0.5, pad_token_id=0,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    return pipeline(
        "text-classification", model=model, tokenizer=tokenizer(), device="cpu", **settings
    )


def expected(classifier: Any, label: int) -> list[float]:
    """From the model itself, text by text."""
    found = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer()(text, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            found.append(float(classifier.model(ids).logits.softmax(-1)[0, label]))
    return found


def test_a_hugging_face_pipeline_with_all_labels_or_the_likeliest() -> None:
    for settings in ({"top_k": None}, {}, {"top_k": 1}):
        classifier = small_pipeline(**settings)
        for label in (0, 1):
            judge = classifier_judge(classifier, positive=f"LABEL_{label}", name="hf")
            assert judge(TEXTS) == pytest.approx(expected(classifier, label), abs=1e-5)
    three = small_pipeline(3, top_k=None)
    judge = classifier_judge(three, positive="LABEL_2", name="hf")
    assert judge(TEXTS) == pytest.approx(expected(three, 2), abs=1e-5)


def test_what_a_pipeline_does_not_tell_is_refused() -> None:
    three = small_pipeline(3)
    seldom = min(range(3), key=lambda n: max(expected(three, n)))
    judge = classifier_judge(three, positive=f"LABEL_{seldom}", name="hf")
    with pytest.raises(DataError, match="Make the pipeline with top_k=None"):
        judge(TEXTS)
    with pytest.raises(DataError, match=r"is not one of its labels: \['LABEL_0', 'LABEL_1'"):
        classifier_judge(three, positive="good", name="hf")
    several = small_pipeline(2)
    several.model.config.problem_type = "multi_label_classification"
    judges = [classifier_judge(several, positive=f"LABEL_{n}", name="hf") for n in (0, 1)]
    with pytest.raises(DataError, match="top_k=None"):
        [judge(TEXTS) for judge in judges]
    odd = classifier_judge(lambda texts: [0.5 for _ in texts], positive="x", name="odd")
    with pytest.raises(DataError, match=r"odd replied 0\.5 to 'great film'"):
        odd(TEXTS)
    short = classifier_judge(lambda texts: [], positive="x", name="short")
    with pytest.raises(DataError, match="0 replies for 6 texts"):
        short(TEXTS)


def test_what_no_judge_can_be_made_of() -> None:
    with pytest.raises(DataError, match="is not fitted"):
        classifier_judge(
            make_pipeline(CountVectorizer(), LogisticRegression()), positive=1, name="new"
        )
    with pytest.raises(DataError, match=r"positive='fine' is not one of its classes: \['bad'"):
        classifier_judge(fitted(LogisticRegression()), positive="fine", name="mine")
    with pytest.raises(DataError, match="KMeans has neither predict_proba nor"):
        classifier_judge(KMeans(), positive=1, name="clusters")
    vectors = SGDClassifier().fit(np.eye(6), LABELS)
    with pytest.raises(DataError, match="cannot take a list of texts"):
        classifier_judge(vectors, positive="good", name="vectors")(TEXTS)


def test_functions_are_checked() -> None:
    judge = function_judge("length", lambda texts: np.array([len(text) for text in texts]))
    assert isinstance(judge, Judge)
    assert judge(TEXTS) == [float(len(text)) for text in TEXTS]
    assert judge([]) == []
    with pytest.raises(DataError, match="few gave 1 scores for 6 texts"):
        function_judge("few", lambda texts: [0.5])(TEXTS)
    with pytest.raises(NonFiniteError, match="nan for the text 'great film'"):
        function_judge("hole", lambda texts: [math.nan] * len(texts))(TEXTS)
    for wrong in (None, 0.5, ["good"] * 6):
        with pytest.raises(DataError, match="one number for each of the 6 texts"):
            function_judge("wrong", lambda texts, w=wrong: w)(TEXTS)  # type: ignore[misc]
    with pytest.raises(DataError, match="a name and a function"):
        function_judge("", len)  # type: ignore[arg-type]
