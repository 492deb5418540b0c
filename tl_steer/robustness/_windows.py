"""Continuations, cut into windows of tokens."""

import math
from collections.abc import Sequence

import pandas as pd

from tl_steer.errors import DataError
from tl_steer.generation import Generations
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import decode
from tl_steer.metrics import log_probs

_GRAM = 4


def windows_of(
    model: SteerableModel,
    written: Generations,
    window: int,
    *,
    max_tokens: int | None,
    progress: bool,
) -> pd.DataFrame:
    """Cut every continuation; a window that it does not fill is left out.

    Returns:
        One row for each window of each text: ``condition``, ``prompt_index``, ``prompt``,
        ``sample``, ``window``, ``text`` (decoded by itself), ``repetition`` (mean of
        :func:`stood_before`) and ``nll`` (mean over its tokens, in nats, under the model as it is,
        given all that stands before).

    Raises:
        DataError: When no text fills a window.
    """
    frame = written.frame
    rows = [
        (tuple(p), tuple(t)) for p, t in zip(frame["prompt_tokens"], frame["tokens"], strict=True)
    ]
    found = log_probs(model, rows, max_tokens=max_tokens, progress=progress)
    cut = []
    for (_, text), (_, continuation), logs in zip(frame.iterrows(), rows, found, strict=True):
        seen = stood_before(continuation)
        for number in range(len(continuation) // window):
            own = slice(number * window, (number + 1) * window)
            cut.append(
                {
                    "condition": text["condition"],
                    "prompt_index": text["prompt_index"],
                    "prompt": text["prompt"],
                    "sample": text["sample"],
                    "window": number,
                    "text": decode(model, continuation[own]),
                    "repetition": _mean(seen[own]),
                    "nll": -_mean(logs[own]),
                }
            )
    if not cut:
        longest = max(len(continuation) for _, continuation in rows)
        raise DataError(
            f"No text fills a window of {window} tokens; the longest has {longest}. Take a shorter "
            "window, or stop_at_eos=False."
        )
    return pd.DataFrame(cut)


def stood_before(tokens: Sequence[int]) -> list[float]:
    """For each token, whether the 4-gram that it ends stands earlier in the text.

    0 where it ends none, as the first three do not.
    """
    seen: set[tuple[int, ...]] = set()
    found = [0.0] * min(_GRAM - 1, len(tokens))
    for stop in range(_GRAM, len(tokens) + 1):
        gram = tuple(tokens[stop - _GRAM : stop])
        found.append(float(gram in seen))
        seen.add(gram)
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
