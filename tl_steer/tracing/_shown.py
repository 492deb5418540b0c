"""What pictures and pages show of a trace: directions at hook points, and the scale of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from tl_steer.lens.hook_names import layer_of
from tl_steer.tracing._text import TracedText


@dataclass(frozen=True)
class Series:
    """A direction at a hook point."""

    direction: str
    hook_name: str

    number: int
    """Of the direction among those there."""

    @property
    def layer(self) -> int:
        """Of the hook point."""
        return layer_of(self.hook_name)

    def __str__(self) -> str:
        """Both."""
        return f"{self.direction} at {self.hook_name}"

    def values(self, text: TracedText) -> ndarray:
        """Projections of a text, when all was done; NaN where nothing was read."""
        found: ndarray = text.stands[self.hook_name].after[:, self.number]
        return found

    def ordinary(self, text: TracedText) -> ndarray:
        """The same, with NaN for attention sinks, whose size says nothing of the text."""
        return np.where(text.sinks[self.hook_name], np.nan, self.values(text))


@dataclass(frozen=True)
class Scale:
    """How projections become colours."""

    around: float
    """The projection that is left without a colour: the median of ordinary tokens."""

    reach: float
    """Distance from there at which the colour is full."""

    @classmethod
    def of(cls, series: Series, texts: Sequence[TracedText]) -> "Scale":
        """The same for all texts, so that they can be compared."""
        values = np.concatenate([series.ordinary(text) for text in texts])
        known = values[np.isfinite(values)]
        around = float(np.median(known)) if len(known) else 0.0
        return cls(around, float(np.abs(known - around).max(initial=0)) or 1.0)


def series_of(texts: Sequence[TracedText]) -> list[Series]:
    """All directions at all hook points, those of one direction together."""
    found = {
        Series(direction, hook_name, number): None
        for text in texts
        for hook_name in text.stands
        for number, direction in enumerate(text.names.get(hook_name, ()))
    }
    order = list(dict.fromkeys(each.direction for each in found))
    return sorted(found, key=lambda each: (order.index(each.direction), each.layer))


def label_of(text: TracedText, texts: Sequence[TracedText]) -> str:
    """What a prompt and sample are called."""
    several = any(each.sample for each in texts)
    line = " ".join(text.prompt.split())
    shown = line if len(line) <= 60 else f"{line[:57]}…"
    return f"{text.prompt_index + 1}. {shown}" + (f" ({text.sample + 1})" if several else "")
