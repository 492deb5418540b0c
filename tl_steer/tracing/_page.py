"""A trace as one page that needs no other file, no network, and loads nothing."""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy import ndarray

from tl_steer.files.characters import printable
from tl_steer.tracing._shown import Series, label_of
from tl_steer.tracing._text import Changed, TracedText


def page_of(
    title: str,
    said: str,
    texts: Sequence[TracedText],
    series: Sequence[Series],
    decoded: Mapping[int, str],
) -> str:
    """Set a trace as a page.

    Whatever a text or a name says, it is shown and never run: data stand in an element of their
    own as JSON in ASCII, in which nothing ends that element, the script writes all of it as text,
    and no other script may run.

    Args:
        title: The heading.
        said: One line below it.
        texts: All of them.
        series: Directions at hook points.
        decoded: What token ids say.
    """
    script = _file("debugger.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return rendered(
        "debugger.html",
        title=title,
        said=said,
        style=Markup(_file("debugger.css")),
        script=Markup(script),
        digest=Markup(digest),
        data=Markup(_json(_data(texts, series, decoded))),
        texts=texts,
    )


def _data(
    texts: Sequence[TracedText], series: Sequence[Series], decoded: Mapping[int, str]
) -> dict[str, Any]:
    conditions = list(dict.fromkeys(each.condition for each in texts))
    groups = list(dict.fromkeys((each.prompt_index, each.sample) for each in texts))
    labels = {(each.prompt_index, each.sample): label_of(each, texts) for each in texts}
    return {
        "conditions": conditions,
        "groups": [labels[group] for group in groups],
        "series": [
            {"name": each.direction, "at": each.hook_name, "layer": each.layer} for each in series
        ],
        "texts": [
            {
                "condition": conditions.index(each.condition),
                "group": groups.index((each.prompt_index, each.sample)),
                "prompt": each.n_prompt,
                "tokens": each.pieces,
                "names": [decoded.get(token, "") for token in each.tokens],
                "logProb": _numbers(each.log_prob),
                "surprise": _numbers(-each.log_prob),
                "entropy": _numbers(each.entropy),
                "kl": _numbers(each.kl),
                "alternatives": _alternatives(each, decoded),
                "series": [_series(each, one) for one in series],
                "changes": [
                    _change(each, name, changed, series) for name, changed in each.changed.items()
                ],
                "attention": [
                    {
                        "at": name,
                        "keys": _numbers(values[..., 0].mean(1)),
                        "before": _numbers(values[..., 1].mean(1)),
                        "rerouted": _numbers(values[..., 2].mean(1)),
                    }
                    for name, values in each.attention.items()
                ],
            }
            for each in texts
        ],
    }


def _series(text: TracedText, one: Series) -> dict[str, Any]:
    stands, place = text.stands[one.hook_name], one.number
    return {
        "before": _numbers(stands.before[:, place]),
        "after": _numbers(stands.after[:, place]),
        "sinks": np.flatnonzero(text.sinks[one.hook_name]).tolist(),
    }


def _change(
    text: TracedText, name: str, changed: Changed, series: Sequence[Series]
) -> dict[str, Any]:
    return {
        "name": name,
        "at": changed.hook_name,
        "strength": _numbers(changed.strength),
        "acts": changed.acts.tolist(),
        "relative": _numbers(changed.relative),
        "angle": _numbers(changed.angle),
        "ratio": _numbers(changed.norm_ratio),
        "looks": [
            {
                "series": number,
                "before": _numbers(changed.before[:, one.number]),
                "after": _numbers(changed.after[:, one.number]),
            }
            for number, one in enumerate(series)
            if one.hook_name == changed.hook_name
        ],
    }


def _alternatives(text: TracedText, decoded: Mapping[int, str]) -> list[list[Any]]:
    return [
        [
            [decoded.get(int(token), ""), _number(value)]
            for token, value in zip(ids, values, strict=True)
            if token >= 0
        ]
        for ids, values in zip(text.likeliest, text.log_probs, strict=True)
    ]


def _numbers(values: ndarray | Iterable[float]) -> list[float | None]:
    return [_number(each) for each in values]


def _number(value: float) -> float | None:
    """With as many digits as are shown; JSON has no NaN and no infinity."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _json(data: Any) -> str:
    """JSON in ASCII that neither ends the element that it stands in nor begins a comment."""
    text = json.dumps(_printable(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _printable(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, Mapping):
        return {key: _printable(value) for key, value in data.items()}
    return [_printable(each) for each in data] if isinstance(data, list | tuple) else data


def rendered(name: str, **values: Any) -> str:
    """Fill in a template of this room; whatever is put in is escaped and can be shown."""
    return _environment().from_string(_file(name)).render(values)


@cache
def _file(name: str) -> str:
    return files("tl_steer.tracing").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else printable(str(value)),
        trim_blocks=True,
    )
