"""A judge that is trained on a contrast set."""

import pytest

import tl_steer as ts
from tl_steer.errors import DataError
from tl_steer.judges._judges import Judge
from tl_steer.judges._trained_judge import train_judge


def test_it_tells_formal_texts_that_it_has_not_seen() -> None:
    halves = ts.data.formal_informal("all").split({"direction": 0.5, "judge": 0.5}, seed=0)
    judge = train_judge(halves["judge"], held_out=halves["direction"], name="formality")
    assert isinstance(judge, Judge)
    scores = judge(halves["direction"].texts)
    right = [
        (s > 0.5) == label for s, label in zip(scores, halves["direction"].labels, strict=True)
    ]
    assert judge.accuracy == pytest.approx(sum(right) / len(right))
    # Of 64 texts, .8 is seven standard errors above chance.
    assert judge.accuracy > 0.8
    assert judge.trained_on.startswith("64 texts of formal")
    assert judge([]) == []


def test_labels_that_mean_nothing_are_not_learned() -> None:
    halves = ts.data.formal_informal("all").split({"a": 0.5, "b": 0.5}, seed=0)
    shuffled = halves["a"].shuffled_labels(seed=1)
    assert 0.2 < train_judge(shuffled, held_out=halves["b"], name="none").accuracy < 0.8


def test_what_is_refused() -> None:
    halves = ts.data.formal_informal("all").split({"a": 0.5, "b": 0.5}, seed=0)
    with pytest.raises(DataError, match="64 texts are both trained on and held out"):
        train_judge(halves["a"], held_out=halves["a"], name="formality")
    with pytest.raises(DataError, match="got 2 positive and 2 negative"):
        train_judge(halves["a"].sample(2, seed=0), held_out=halves["b"], name="formality")
    judge = train_judge(halves["a"], held_out=halves["b"], name="formality")
    with pytest.raises(DataError, match="got one string"):
        judge("a text")
