"""Few-shot prompts of a task, and the same with wrong answers: what function vectors need."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tl_steer.arguments import Count, Seed, checked
from tl_steer.data import ContrastSet, plain_texts, split_pairs
from tl_steer.errors import DataError


@checked
@dataclass(frozen=True)
class FewShot:
    """Prompts that show a task by examples and end in a question."""

    prompts: ContrastSet
    """Pairs: with the right answers, and with the same answers given to the wrong questions."""

    answers: tuple[str, ...]
    """What should follow each prompt, e.g. for ``LogProbability``; they begin with a space."""


@checked
def few_shot(
    examples: Sequence[tuple[str, str]],
    *,
    shots: Count = 5,
    n: Count = 25,
    seed: Seed = 0,
    name: str = "few-shot",
) -> FewShot:
    r"""Write prompts of the form ``Q: hot\nA: cold\n\nQ: big\nA:``.

    As in Todd et al. (2024, https://arxiv.org/abs/2310.15213). In the other text of a pair the
    answers of the examples are moved on by a random number of places, so that each stands with a
    question that is not its own.

    Args:
        examples: Questions and answers of one task, e.g. ``("hot", "cold")``.
        shots: Examples in a prompt, at least 2; the last question is one more.
        n: How many pairs of prompts.
        seed: The same seed gives the same prompts.
        name: What the set is called in reports.

    Raises:
        DataError: For too few examples, or numbers out of their range.
    """
    questions, answers = split_pairs(examples)
    questions, answers = (
        list(plain_texts(questions, "questions")),
        list(plain_texts(answers, "answers")),
    )
    if shots < 2 or n < 1 or len(questions) <= shots:
        raise DataError(
            f"Got {len(questions)} examples, shots={shots} and n={n}. Expected two shots or more, "
            "more examples than shots, and at least one prompt."
        )
    random = np.random.default_rng(seed)
    right: list[str] = []
    wrong: list[str] = []
    following: list[str] = []
    for _ in range(n):
        drawn = random.choice(len(questions), size=shots + 1, replace=False).tolist()
        *shown, asked = drawn
        turned = np.roll(shown, int(random.integers(1, shots))).tolist()
        end = f"Q: {questions[asked]}\nA:"
        for texts, given in ((right, shown), (wrong, turned)):
            lines = [
                f"Q: {questions[question]}\nA: {answers[answer]}\n\n"
                for question, answer in zip(shown, given, strict=True)
            ]
            texts.append("".join(lines) + end)
        following.append(f" {answers[asked]}")
    return FewShot(ContrastSet(right, wrong, paired=True, name=name), tuple(following))
