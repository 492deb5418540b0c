"""Texts about a film and about something else, and how far steering moves each part."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tl_steer.errors import DataError
from tl_steer.lens.forward import run_logits
from tl_steer.lens.protocol import SteerableModel, device_of
from tl_steer.lens.tokens import pad, pad_id, spans, tokenize
from tl_steer.statistics import kl_divergence
from tl_steer.steering import Steering, steer

TEXTS = tuple(
    f"{film} {other}"
    for film, other in (
        ("The film was shown in the evening and had many songs in it.",
         "The train to the coast leaves at nine and arrives before noon."),
        ("I saw the movie with my brother and we talked about its plot.",
         "The bakery on the corner sells bread and small cakes until six."),
        ("This film has a long first act and a short second one.",
         "My neighbour keeps bees and grows beans behind the garage."),
        ("The movie tells the story of two sisters in a small town.",
         "Water boils at a lower temperature high in the mountains."),
        ("The actor in this film plays a doctor who loses his way.",
         "The library opens at ten and closes late on Thursdays."),
        ("The music of the film was written in less than a month.",
         "The recipe asks for two eggs, some flour and a glass of milk."),
        ("In the movie a boy finds a letter and sets out to answer it.",
         "The river is wide here, and a ferry takes cars to the other side."),
        ("The last scene of the film takes place in an empty station.",
         "She repaired the old radio with parts from a broken clock."),
    )
)  # fmt: skip
"""Two sentences each: one about a film, and one that has nothing to do with it."""


@dataclass(frozen=True)
class Kept:
    """Mean divergence of steered from unsteered next-token distributions, in nats a token."""

    about_film: float
    """After the tokens of the first sentence that follow the word for the film."""

    elsewhere: float
    """After the tokens of the second sentence."""


def divergences(model: SteerableModel, texts: Sequence[str], steering: Steering) -> Kept:
    """Measure ``KL(steered ‖ unsteered)`` after every token, sentence by sentence.

    Args:
        model: Any TransformerLens model.
        texts: Of two sentences, the first of which has "film" or "movie" in it.
        steering: What is done to the model.

    Raises:
        DataError: For a text without the word, or without a second sentence.
    """
    rows = tokenize(model, texts)
    batch = pad(rows, side="right", pad_id=pad_id(model)).to(device_of(model))
    film = torch.zeros_like(batch.real)
    other = torch.zeros_like(batch.real)
    for row, (text, covered) in enumerate(zip(texts, spans(model, texts, rows), strict=True)):
        word, end = re.search(r"film|movie", text), text.find(". ")
        if word is None or end < 0:
            raise DataError(f"{text!r}: two sentences are wanted, the first about a film.")
        for column, (start, stop) in enumerate(covered):
            film[row, column] = word.start() <= start and stop <= end
            other[row, column] = start > end
    with torch.inference_mode():
        plain = run_logits(model, batch).float().log_softmax(-1)
        with steer(model, steering):
            steered = run_logits(model, batch).float().log_softmax(-1)
    divergence = kl_divergence(steered, plain)
    return Kept(float(divergence[film].mean()), float(divergence[other].mean()))
