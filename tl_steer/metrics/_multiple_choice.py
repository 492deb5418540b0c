"""Accuracy on questions with choices: what steering costs, or gains, in knowledge."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tl_steer.arguments import Confidence, Count, Seed, checked
from tl_steer.data import MultipleChoice
from tl_steer.errors import MismatchError
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import Chat
from tl_steer.metrics._continuation_scores import Continuations
from tl_steer.metrics._share import share_interval
from tl_steer.statistics import Interval, paired_difference
from tl_steer.steering import SteeringLike, as_steering


@checked
@dataclass(frozen=True, eq=False)
class Accuracy:
    """How many questions a model answers rightly; made by :func:`accuracy`."""

    interval: Interval
    """Share of right answers, and the ends of its Wilson interval."""

    frame: pd.DataFrame
    """A row for each question: ``question_index``, ``question``, ``answer`` and ``chosen`` (numbers
    of choices), ``correct`` (bool), ``scores`` (one for each choice), ``margin`` (score of the
    answer minus the best of the others) and ``probability`` (of the answer
    among the choices, not normalised)."""

    name: str
    """Of the questions."""

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.interval.estimate

    def minus(self, other: "Accuracy", *, seed: Seed = 0) -> Interval:
        """Difference to another accuracy on the same questions, paired by question.

        Raises:
            MismatchError: For other questions.
        """
        if list(self.frame["question"]) != list(other.frame["question"]):
            raise MismatchError(
                f"{self.name} and {other.name} do not hold the same questions in the same order."
            )
        return paired_difference(
            self.frame["correct"].to_numpy(dtype=float),
            other.frame["correct"].to_numpy(dtype=float),
            np.arange(len(self.frame)),
            confidence=self.interval.confidence,
            seed=seed,
        )

    def __repr__(self) -> str:
        """The share, its interval and the number of questions."""
        share = self.interval
        return (
            f"Accuracy {share.estimate:.1%} [{share.low:.1%}, {share.high:.1%}] on "
            f"{len(self.frame)} questions{f' of {self.name}' if self.name else ''}"
        )


@checked
def accuracy(
    model: SteerableModel,
    questions: MultipleChoice,
    steering: SteeringLike | None = None,
    *,
    normalised: bool = False,
    between: str = " ",
    chat: Chat | None = None,
    prepend_bos: bool | None = None,
    confidence: Confidence = 0.95,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> Accuracy:
    """Answer each question with the choice that the model finds likeliest.

    ::

        score(choice) = Σ log p(token of the choice | question, tokens before)

    in nats, divided by the choice's length in bytes where ``normalised``: these are ``acc`` and
    ``acc_norm`` of the field's evaluation harness
    (https://blog.eleuther.ai/multiple-choice-normalization). The first divides nothing, so that
    short choices begin ahead; the second favours long words that are easily spelled.

    Args:
        model: Any TransformerLens model.
        questions: With their choices and answers.
        steering: What to do; questions count as prompts, choices as generated. Settings per row
            are for the questions.
        normalised: Whether to divide by length.
        between: What stands between a question and a choice, as part of the choice's tokens; empty
            where a question ends with a line break, or with ``chat``.
        chat: Puts each question into the tokenizer's chat template, as the user's turn.
        prepend_bos: Whether questions begin with a beginning-of-text token.
        confidence: Of the interval.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        DataError: For a choice without a token, or a question that with a choice is beyond the
            model's context.
        MismatchError: For settings of another number of rows than questions, or another model's.
    """
    require_steerable(model)
    steering = None if steering is None else as_steering(steering)
    n_rows = None if steering is None else steering.n_rows
    if n_rows not in (None, len(questions)):
        raise MismatchError(
            f"Got settings for {n_rows} rows and {len(questions)} questions. Give one for each, or "
            "one for all."
        )
    following = [
        (number, between + choice)
        for number, choices in enumerate(questions.choices)
        for choice in choices
    ]
    read = Continuations.of(
        model, questions.questions, following, chat=chat, prepend_bos=prepend_bos
    )
    (totals,) = read.log_probs(model, steering, max_tokens=max_tokens, progress=progress)
    ends = np.cumsum([len(choices) for choices in questions.choices])[:-1]
    rows = []
    for number, sums in enumerate(np.split(totals.double().numpy(), ends)):
        choices, answer = questions.choices[number], questions.answers[number]
        lengths = np.array([len(choice.encode()) for choice in choices])
        scores = sums / lengths if normalised else sums
        chosen = int(scores.argmax())
        rows.append(
            {
                "question_index": number,
                "question": questions.questions[number],
                "answer": answer,
                "chosen": chosen,
                "correct": chosen == answer,
                "scores": scores.tolist(),
                "margin": float(scores[answer] - np.delete(scores, answer).max()),
                "probability": float(np.exp(sums[answer] - np.logaddexp.reduce(sums))),
            }
        )
    frame = pd.DataFrame(rows)
    interval = share_interval(int(frame["correct"].sum()), len(frame), confidence=confidence)
    return Accuracy(interval, frame, questions.name)
