"""The sentiment judge: what it computes, what it learns, and what its files may do."""

import json
import math
import pickle
import random
import re
import shutil
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from safetensors.numpy import load_file, save_file

from tl_steer.data import ContrastSet, imdb, rotten_tomatoes
from tl_steer.errors import DataError, StorageError
from tl_steer.judges import _sentiment_judge as module
from tl_steer.judges._judges import Judge
from tl_steer.judges._sentiment_judge import (
    SentimentJudge,
    SentimentRecipe,
    load_judge,
    save_judge,
    sentiment_judge,
    train_sentiment_judge,
)

RECIPE = SentimentRecipe(snippet_words=8, min_df=2)
FILLER = ["the", "a", "film", "plot", "actor", "of", "with", "and", "in", "it", "this", "he"]


def invented(seed: int, each: int = 120) -> ContrastSet:
    """Reviews that differ in a few words among many that say nothing."""
    draw = random.Random(seed)

    def review(words: list[str]) -> str:
        return " ".join(draw.choice(FILLER + words) for _ in range(30))

    return ContrastSet(
        positive=[review(["lovely", "isn't bad"]) for _ in range(each)],
        negative=[review(["dreadful", "isn't good"]) for _ in range(each)],
        name="invented",
    )


@pytest.fixture(scope="module")
def judge() -> SentimentJudge:
    return train_sentiment_judge(invented(0), transfer=invented(1), recipe=RECIPE)


@pytest.fixture
def saved(judge: SentimentJudge, tmp_path: Path) -> Path:
    save_judge(judge, tmp_path)
    return tmp_path


def by_hand(judge: SentimentJudge, text: str) -> float:
    """The score from its formula: tf-idf of words and pairs, unit length, logistic function."""
    words = re.findall(r"\b\w[\w']*\b", text.lower())
    terms = words + [f"{one} {two}" for one, two in pairwise(words)]
    known = judge.vectorizer.vocabulary_
    weights = {
        term: (1 + math.log(terms.count(term))) * float(judge.vectorizer.idf_[known[term]])
        for term in set(terms)
        if term in known
    }
    norm = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
    logit = float(judge.classifier.intercept_[0]) + sum(
        weight / norm * float(judge.classifier.coef_[0, known[term]])
        for term, weight in weights.items()
    )
    return 1 / (1 + math.exp(-logit))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*FILLER, "Lovely", "dreadful", "isn't", "bad", "zzz", ","])))
def test_scores_follow_the_formula(judge: SentimentJudge, words: list[str]) -> None:
    text = " ".join(words)
    assert judge([text]) == pytest.approx([by_hand(judge, text)], abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_gets_a_probability_that_other_texts_do_not_change(
    judge: SentimentJudge, texts: list[str]
) -> None:
    scores = judge(texts)
    assert all(0 <= score <= 1 for score in scores)
    assert scores == [judge([text])[0] for text in texts]


def test_it_is_a_judge_that_orders_the_obvious(judge: SentimentJudge) -> None:
    assert isinstance(judge, Judge)
    bad, nothing, good = judge(["a dreadful film", "a film", "a lovely film"])
    assert bad < nothing < good
    assert bad < 0.3
    assert good > 0.7


def test_the_reported_accuracies_are_those_on_texts_never_trained_on(judge: SentimentJudge) -> None:
    other = invented(1)
    right = [score > 0.5 for score in judge(other.positive)]
    right += [score <= 0.5 for score in judge(other.negative)]
    assert judge.transfer_accuracy == pytest.approx(np.mean(right))
    assert judge.accuracy > 0.9
    assert "192 texts of invented" in judge.trained_on  # four fifths of 240


def test_without_a_difference_to_learn_the_held_out_accuracy_is_chance() -> None:
    same = invented(2)
    texts = list(same.positive + same.negative)
    random.Random(0).shuffle(texts)
    blind = ContrastSet(positive=texts[:120], negative=texts[120:])
    judge = train_sentiment_judge(blind, transfer=invented(1), recipe=RECIPE)
    assert 0.25 < judge.accuracy < 0.75  # 48 texts: 0.5 ± 3.5 standard errors


def test_training_twice_is_the_same(judge: SentimentJudge) -> None:
    again = train_sentiment_judge(invented(0), transfer=invented(1), recipe=RECIPE)
    assert again(invented(1).positive) == judge(invented(1).positive)


def test_texts_trained_on_are_not_measured_on() -> None:
    shared = invented(1).positive[0]
    mixed = ContrastSet(positive=[*invented(0).positive, shared], negative=invented(0).negative)
    with pytest.raises(DataError, match="1 texts are in both the training and the transfer set"):
        train_sentiment_judge(mixed, transfer=invented(1), recipe=RECIPE)


def test_too_little_to_train_on() -> None:
    with pytest.raises(DataError, match="at least 10 texts of each class"):
        train_sentiment_judge(invented(0, each=9), transfer=invented(1), recipe=RECIPE)
    rare = SentimentRecipe(min_df=10_000)
    with pytest.raises(DataError, match="lower min_df"):
        train_sentiment_judge(invented(0), transfer=invented(1), recipe=rare)


def test_no_texts_and_one_string(judge: SentimentJudge) -> None:
    assert judge([]) == []
    with pytest.raises(DataError, match="Expected a list of texts"):
        judge("a lovely film")


def test_what_is_saved_comes_back(judge: SentimentJudge, saved: Path) -> None:
    texts = [*invented(3).texts, "", "nothing known"]
    loaded = load_judge(saved)
    assert loaded(texts) == judge(texts)
    for field in ("accuracy", "snippet_accuracy", "transfer_accuracy", "trained_on", "name"):
        assert getattr(loaded, field) == getattr(judge, field)


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("name", ["judge.json", "weights.safetensors"])
def test_a_pickle_in_disguise_is_refused_and_not_executed(saved: Path, name: str) -> None:
    mark = saved / "executed"
    payload = pickle.dumps(Hostile(mark))
    pickle.loads(payload)
    assert mark.exists()  # it would have worked
    mark.unlink()
    (saved / name).write_bytes(payload)
    with pytest.raises(StorageError, match="Delete the folder"):
        load_judge(saved)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["judge.json", "weights.safetensors"])
@pytest.mark.parametrize("kept", [0, 10, 500, -1])
def test_a_cut_file_is_refused(saved: Path, name: str, kept: int) -> None:
    (saved / name).write_bytes((saved / name).read_bytes()[:kept])
    with pytest.raises(StorageError, match=re.escape(str(saved))):
        load_judge(saved)


@pytest.mark.parametrize("name", ["judge.json", "weights.safetensors"])
def test_a_missing_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(StorageError, match="trains it again"):
        load_judge(saved)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format", "tl_steer.sentiment_judge.99", "99"),
        ("vocabulary", ["one", "two"], "differ in length"),
        ("vocabulary", [1, 2], "not words"),
        ("vocabulary", None, "NoneType"),
        ("figures", {}, "accuracy"),
        ("figures", 5, "int"),
    ],
)
def test_settings_of_another_make_are_refused(
    saved: Path, key: str, value: object, says: str
) -> None:
    path = saved / "judge.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(StorageError, match=says):
        load_judge(saved)


@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, "\udcff"])
def test_json_of_another_shape_is_refused(saved: Path, text: str) -> None:
    (saved / "judge.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StorageError, match="Delete the folder"):
        load_judge(saved)


def test_weights_that_are_no_numbers_are_refused(saved: Path) -> None:
    arrays = load_file(saved / "weights.safetensors")
    arrays["coefficients"] = np.full_like(arrays["coefficients"], np.nan)
    save_file(arrays, saved / "weights.safetensors")
    with pytest.raises(StorageError, match="not a finite number"):
        load_judge(saved)


def test_the_cache_is_trained_into_once_and_only_read_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TL_STEER_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "imdb", lambda: invented(0, each=1000))
    monkeypatch.setattr(module, "rotten_tomatoes", lambda: invented(1))
    first = sentiment_judge()

    def unexpected() -> ContrastSet:
        raise AssertionError("trained twice")

    monkeypatch.setattr(module, "imdb", unexpected)
    assert sentiment_judge()(invented(1).texts) == first(invented(1).texts)
    (folder,) = (tmp_path / "judges").glob("sentiment-*")
    assert {path.name for path in folder.iterdir()} == {"judge.json", "weights.safetensors"}

    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(StorageError, match="Delete the folder"):
        sentiment_judge()
    shutil.rmtree(folder)
    monkeypatch.setattr(module, "imdb", lambda: invented(0, each=1000))
    assert sentiment_judge()(invented(1).texts) == first(invented(1).texts)


@pytest.mark.packaged
def test_the_packaged_judge() -> None:
    """Figures with room for other versions of scikit-learn: measured .909, .732 and .748."""
    judge = sentiment_judge()
    assert judge.accuracy > 0.90
    assert judge.snippet_accuracy > 0.72
    assert judge.transfer_accuracy > 0.73
    started = time.perf_counter()
    again = sentiment_judge()
    assert time.perf_counter() - started < 2

    reviews = rotten_tomatoes()
    texts = [*reviews.positive, *reviews.negative]
    scores = np.array(again(texts))
    truth = np.arange(len(texts)) < len(reviews.positive)
    assert np.mean((scores > 0.5) == truth) == pytest.approx(judge.transfer_accuracy)
    assert not set(texts) & set(imdb().texts)


@pytest.mark.packaged
@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("This movie is a dreadful, boring waste of time.", "This movie is set in a small town."),
        ("This movie is set in 1950.", "This movie is a wonderful, moving masterpiece."),
        ("The acting was not good.", "The acting was very good."),
        ("I hated every minute of it.", "I loved every minute of it."),
        ("The worst film I have seen this year.", "The best film I have seen this year."),
    ],
)
def test_the_packaged_judge_orders_the_obvious(worse: str, better: str) -> None:
    low, high = sentiment_judge()([worse, better])
    assert low < high - 0.1
