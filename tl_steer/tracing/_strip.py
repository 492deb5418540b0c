"""Traced texts in colours, for a notebook: no script, no style sheet, for light and dark."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tl_steer.tracing._page import rendered
from tl_steer.tracing._shown import Scale, Series, label_of
from tl_steer.tracing._text import TracedText

# Vermilion and blue of Okabe and Ito, over whatever colour the page has: at this strength both
# black and white letters keep a contrast of 4.5 to 1.
_UP, _DOWN = "213,94,0", "0,114,178"
_STRONGEST = 0.5
_MOST = 6


def strips_of(said: str, texts: Sequence[TracedText], series: Series | None) -> str:
    """Colour each token by its projection when all was done.

    Args:
        said: What this is.
        texts: All of them; the first prompts are shown.
        series: Where to look; ``None`` leaves all without a colour.
    """
    scale = None if series is None else Scale.of(series, texts)
    marks: list[tuple[str, str]] = []
    if series is not None and scale is not None:
        said = f"{said} h·v̂ of {series}."
        ends = ((-1, " and less"), (0, ""), (1, " and more"))
        marks = [
            (f"{scale.around + end * scale.reach:.3g}{words}", _colour(end)) for end, words in ends
        ]
    groups: dict[tuple[int, int], list[TracedText]] = {}
    for text in texts:
        groups.setdefault((text.prompt_index, text.sample), []).append(text)
    several = len({text.condition for text in texts}) > 1
    shown = [
        (
            label_of(own[0], texts),
            [
                (each.condition if several else "", list(_tokens(each, series, scale)))
                for each in own
            ],
        )
        for own in list(groups.values())[:_MOST]
    ]
    left = len(groups) - len(shown)
    more = f"And {left} more; save('trace.html') makes a page of all of them." if left else ""
    return rendered("strip.html", said=said, marks=marks, groups=shown, more=more)


def _tokens(
    text: TracedText, series: Series | None, scale: Scale | None
) -> Iterator[dict[str, Any]]:
    values = np.full(len(text.tokens), np.nan) if series is None else series.values(text)
    for place, (piece, value) in enumerate(zip(text.pieces, values, strict=True)):
        style = ""
        if series is not None and scale is not None:
            if text.sinks[series.hook_name][place]:
                style += ";text-decoration:underline dotted"
            elif np.isfinite(value):
                style += f";background:{_colour((value - scale.around) / scale.reach)}"
        if place < text.n_prompt:
            style += ";opacity:.72"
        if place == text.n_prompt:
            style += ";border-left:2px solid;padding-left:2px"
        yield {
            "text": piece.replace("\n", "⏎\n"),
            "title": _numbers(text, place, value),
            "style": style,
        }


def _numbers(text: TracedText, place: int, value: float) -> str:
    facts = {
        "projection": value,
        "log p": text.log_prob[place],
        "entropy": text.entropy[place],
        "KL": text.kl[place],
    }
    known = [f"{name} {each:.3g}" for name, each in facts.items() if np.isfinite(each)]
    for name, changed in text.changed.items():
        if changed.acts[place]:
            known.append(f"{name}: strength {changed.strength[place]:.3g}")
            if np.isfinite(changed.relative[place]):
                known[-1] += f", ‖Δh‖/‖h‖ {changed.relative[place]:.1%}"
    return "\n".join([repr(text.pieces[place]), *known])


def _colour(strength: float) -> str:
    alpha = min(abs(strength), 1) * _STRONGEST
    return f"rgba({_UP if strength > 0 else _DOWN},{alpha:.2f})"
