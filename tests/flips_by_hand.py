"""Margins of answers on the plain Hugging Face model, one prompt alone; and prompts to try."""

from functools import cache
from typing import Any

from by_hand import logits_by_hand
from making import architecture_of
from torch import Tensor

from tl_steer.lens.tokens import tokenize

AT = "blocks.1.hook_resid_post"
PROMPTS = (
    "the film was very good",
    "a movie",
    "i loved it so much and the plot",
    "the ending was too long",
    "you hated this story but",
    "the music and the acting",
)


def token(model: Any, word: str) -> int:
    return int(tokenize(model, [word], prepend_bos=False)[0][0])


def margin_by_hand(
    model: Any,
    prompt: str,
    answer: str,
    other: str,
    vector: Tensor | None = None,
    at: str = AT,
    bounds: tuple[int, int | None] = (0, None),
) -> float:
    (row,) = tokenize(model, [prompt])
    begin, end = ((each + len(row) if each and each < 0 else each) for each in bounds)
    additions = [] if vector is None else [(at, vector, (begin, end))]
    logits = logits_by_hand(architecture_of(model), row, additions)[-1]
    return float(logits[token(model, other)] - logits[token(model, answer)])


@cache
def answers_of(model: Any, *, likelier: bool = True) -> tuple[list[str], list[str]]:
    """Of two words, the one that each prompt has the model say, and the other one."""
    pairs = [("good", "bad"), ("great", "dull"), ("music", "plot")] * 2
    ordered = [
        (a, b) if (margin_by_hand(model, prompt, a, b) <= 0) == likelier else (b, a)
        for prompt, (a, b) in zip(PROMPTS, pairs, strict=True)
    ]
    return [a for a, _ in ordered], [b for _, b in ordered]
