"""Accuracy, against plain Hugging Face passes over every choice."""

from typing import Any

import numpy as np
import pytest
from by_hand import logits_by_hand
from making import architecture_of, direction, rows_of, shared_model

import tl_steer as ts
from tl_steer.data import MultipleChoice
from tl_steer.errors import MismatchError
from tl_steer.metrics._multiple_choice import accuracy

AT = "blocks.1.hook_resid_post"
QUESTIONS = MultipleChoice(
    ["the film was very", "i hated the", "so much", "was the plot good", "it is"],
    [
        ["great", "awful"],
        ["music and the story", "plot", "long scene"],
        ["bad acting", "music"],
        ["not so good", "it was very very good"],
        ["dull", "bright", "short", "long"],
    ],
    [1, 1, 1, 0, 0],
    name="made up",
)


def by_hand(model: Any, additions: Any = ()) -> list[list[float]]:
    found = []
    questions = zip(rows_of(model, QUESTIONS.questions), QUESTIONS.choices, strict=True)
    for number, (prompt, choices) in enumerate(questions):
        scores = []
        for text in rows_of(model, choices):
            own = additions[number] if additions else ()
            logits = logits_by_hand(architecture_of(model), [*prompt, *text], own)
            at = range(len(prompt) - 1, len(prompt) + len(text) - 1)
            scores.append(float(logits.double().log_softmax(-1)[list(at), list(text)].sum()))
        found.append(scores)
    return found


def test_scores_choices_and_accuracy(model: Any) -> None:
    joy = direction(model, AT)
    strengths = [2.0, -2.0, 0.0, 3.0, 1.0]
    additions = [[(AT, each * joy.vector, (0, None))] for each in strengths]
    steering = ts.Steering(ts.Add(joy, strengths))
    for found, expected in (
        (accuracy(model, QUESTIONS), by_hand(model)),
        (accuracy(model, QUESTIONS, steering, max_tokens=9), by_hand(model, additions)),
    ):
        chosen = [int(np.argmax(each)) for each in expected]
        assert found.frame["chosen"].tolist() == chosen
        assert found.frame["correct"].tolist() == [
            c == a for c, a in zip(chosen, QUESTIONS.answers, strict=True)
        ]
        assert found.accuracy == np.mean(found.frame["correct"])
        for row, scores in zip(found.frame.itertuples(), expected, strict=True):
            np.testing.assert_allclose(row.scores, scores, rtol=1e-3, atol=1e-4)
            right = scores[row.answer]
            others = scores[: row.answer] + scores[row.answer + 1 :]
            assert row.margin == pytest.approx(right - max(others), abs=2e-3)
            share = np.exp(right) / np.exp(scores).sum()
            assert row.probability == pytest.approx(share, rel=2e-3)


def test_length_is_divided_out() -> None:
    model = shared_model("bridge", "llama")
    plain, normalised = (accuracy(model, QUESTIONS, normalised=n) for n in (False, True))
    for row, sums, choices in zip(
        normalised.frame.itertuples(), plain.frame["scores"], QUESTIONS.choices, strict=True
    ):
        lengths = [len(choice.encode()) for choice in choices]
        np.testing.assert_allclose(row.scores, np.divide(sums, lengths))
        assert row.chosen == int(np.argmax(row.scores))
    assert plain.frame["probability"].tolist() == normalised.frame["probability"].tolist()


def test_interval_and_paired_difference() -> None:
    model = shared_model("bridge", "llama")
    plain = accuracy(model, QUESTIONS)
    strongly = ts.Steering(ts.Add(direction(model, AT), 9.0))
    steered = accuracy(model, QUESTIONS, strongly)
    assert 0 < plain.interval.low < plain.accuracy < plain.interval.high < 1
    found = steered.minus(plain)
    assert found.estimate == pytest.approx(steered.accuracy - plain.accuracy)
    assert plain.minus(plain).estimate == 0
    assert "on 5 questions of made up" in repr(plain)
    fewer = MultipleChoice(QUESTIONS.questions[:2], QUESTIONS.choices[:2], QUESTIONS.answers[:2])
    with pytest.raises(MismatchError, match="not hold the same questions"):
        plain.minus(accuracy(model, fewer))


def test_settings_of_another_number_are_refused() -> None:
    model = shared_model("bridge", "llama")
    steering = ts.Steering(ts.Add(direction(model, AT), [1.0] * 10))
    with pytest.raises(MismatchError, match="settings for 10 rows and 5 questions"):
        accuracy(model, QUESTIONS, steering)
