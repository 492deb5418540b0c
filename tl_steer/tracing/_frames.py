"""Traced texts as tidy tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tl_steer.tracing._text import TracedText

_KEYS = ("condition", "prompt_index", "sample", "position", "token_id", "token", "written")
_TOKEN = ("log_prob", "entropy", "kl")
_CHANGE = ("strength", "acts", "relative_change", "angle", "norm_ratio")
FRAME = (
    *_KEYS, "sink", *_TOKEN, "hook_name", "direction", "intervention", "before", "after", *_CHANGE,
)  # fmt: skip
TOKENS = (*_KEYS, "sink", *_TOKEN)
ATTENTION = (
    *_KEYS, "hook_name", "head", "to_keys", "to_keys_unsteered", "rerouted",
)  # fmt: skip
ALTERNATIVES = (*_KEYS, "rank", "alternative_id", "alternative", "alternative_log_prob")


def whole_frame(texts: Sequence[TracedText]) -> pd.DataFrame:
    """A row for each token, hook point, direction and intervention."""
    return _table((part for text in texts for part in _parts(text)), FRAME)


def token_frame(texts: Sequence[TracedText]) -> pd.DataFrame:
    """A row for each token."""
    parts = (
        {**_of_token(text), "sink": np.any([*text.sinks.values(), _first(text)], axis=0)}
        for text in texts
    )
    return _table(parts, TOKENS)


def attention_frame(texts: Sequence[TracedText]) -> pd.DataFrame:
    """A row for each token, hook point and head."""
    parts = (
        {
            **_of_token(text),
            "hook_name": name,
            "head": head,
            **dict(zip(ATTENTION[-3:], values[:, head].T, strict=True)),
        }
        for text in texts
        for name, values in text.attention.items()
        for head in range(values.shape[1])
    )
    return _table(parts, ATTENTION)


def alternative_frame(texts: Sequence[TracedText], decoded: Mapping[int, str]) -> pd.DataFrame:
    """A row for each token and each of the likeliest in its place."""
    parts = []
    for text in texts:
        for rank in range(text.likeliest.shape[1]):
            ids = text.likeliest[:, rank]
            parts.append(
                {
                    **_of_token(text),
                    "rank": rank + 1,
                    "alternative_id": ids,
                    "alternative": [decoded.get(int(each), "") for each in ids],
                    "alternative_log_prob": text.log_probs[:, rank],
                }
            )
    frame = _table(parts, ALTERNATIVES)
    return frame[frame["alternative_id"] >= 0].reset_index(drop=True)


def _parts(text: TracedText) -> Iterator[dict[str, Any]]:
    token = _of_token(text)
    for hook_name, stands in text.stands.items():
        acting: list[str | None] = [*text.acting(hook_name)] or [None]
        here = {**token, "hook_name": hook_name, "sink": text.sinks[hook_name]}
        names = text.names.get(hook_name, ())
        for name in acting:
            change = _change(text, name)
            before = stands.before if name is None else text.changed[name].before
            after = stands.before if name is None else text.changed[name].after
            # What acts where no direction is looked at has a row as well.
            for number, direction in enumerate(names or ("",)):
                unknown = np.full(len(text.tokens), np.nan)
                yield {
                    **here,
                    **change,
                    "direction": direction,
                    "before": before[:, number] if names else unknown,
                    "after": after[:, number] if names else unknown,
                }
    for name, changed in text.changed.items():
        if changed.hook_name not in text.stands:
            yield {
                **token,
                **_change(text, name),
                "hook_name": changed.hook_name,
                "sink": _first(text),
                "direction": "",
                "before": np.nan,
                "after": np.nan,
            }


def _of_token(text: TracedText) -> dict[str, Any]:
    return {
        "condition": text.condition,
        "prompt_index": text.prompt_index,
        "sample": text.sample,
        "position": np.arange(len(text.tokens)),
        "token_id": text.tokens,
        "token": text.pieces,
        "written": text.written,
        "log_prob": text.log_prob,
        "entropy": text.entropy,
        "kl": text.kl,
    }


def _change(text: TracedText, name: str | None) -> dict[str, Any]:
    if name is None:
        return {
            "intervention": "", "strength": np.nan, "acts": False,
            "relative_change": 0.0, "angle": 0.0, "norm_ratio": 1.0,
        }  # fmt: skip
    own = text.changed[name]
    return {
        "intervention": name,
        "strength": own.strength,
        "acts": own.acts,
        "relative_change": own.relative,
        "angle": own.angle,
        "norm_ratio": own.norm_ratio,
    }


def _first(text: TracedText) -> np.ndarray:
    found: np.ndarray = np.arange(len(text.tokens)) == 0
    return found


def _table(parts: Any, columns: Sequence[str]) -> pd.DataFrame:
    frames = [pd.DataFrame(part) for part in parts]
    if not frames:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(frames, ignore_index=True)[list(columns)]
