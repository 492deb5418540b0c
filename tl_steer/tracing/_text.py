"""One traced text: what is known of each of its tokens, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tl_steer.tracing._recorder import Seen

Numbers = Float[ndarray, " token"]
Projections = Float[ndarray, "token direction"]


@dataclass(frozen=True, eq=False)
class Changed:
    """What one intervention did to each token; NaN where no activation was."""

    hook_name: str
    strength: Numbers
    acts: Bool[ndarray, " token"]

    relative: Numbers
    """``‖h' − h‖ / ‖h‖``."""

    angle: Numbers
    """Between ``h`` and ``h'``, in degrees."""

    norm_ratio: Numbers
    """``‖h'‖ / ‖h‖``."""

    before: Projections
    after: Projections


@dataclass(frozen=True, eq=False)
class Stands:
    """What stood at one hook point, before anything was done there."""

    norm: Numbers
    before: Projections
    after: Projections
    """When all was done there."""


@dataclass(frozen=True, eq=False)
class TracedText:
    """A prompt and what stands behind it, under one condition."""

    condition: str
    prompt_index: int
    sample: int
    prompt: str
    tokens: tuple[int, ...]
    pieces: tuple[str, ...]
    """What each token says."""

    n_prompt: int
    """How many of the tokens are the prompt."""

    log_prob: Numbers
    entropy: Numbers
    kl: Numbers
    likeliest: Int[ndarray, "token rank"]
    log_probs: Float[ndarray, "token rank"]
    attention: Mapping[str, Float[ndarray, "token head 3"]]
    stands: Mapping[str, Stands]
    changed: Mapping[str, Changed]
    names: Mapping[str, tuple[str, ...]]
    """Of the directions at each hook point."""

    sinks: dict[str, Bool[ndarray, " token"]] = field(default_factory=dict)
    """Attention sinks, by hook name."""

    @property
    def written(self) -> Bool[ndarray, " token"]:
        """Which tokens are not the prompt's."""
        return np.arange(len(self.tokens)) >= self.n_prompt

    def acting(self, hook_name: str) -> list[str]:
        """Interventions at a hook point, in order."""
        return [name for name, each in self.changed.items() if each.hook_name == hook_name]


def stood(
    seen: Seen | None,
    start: int,
    length: int,
    acting: Mapping[str, str],
    strengths: Mapping[str, float],
    names: Mapping[str, tuple[str, ...]],
) -> tuple[dict[str, Stands], dict[str, Changed]]:
    """Put in order what was taken down of a row.

    Args:
        seen: What was taken down; ``None`` where nothing was looked at.
        start: Column of the text's first token.
        length: How many tokens the text has.
        acting: Hook names of the interventions, by name, in order.
        strengths: Of those that have one number for this row: it is left out of passes in which no
            row is changed.
        names: Of the directions at each hook name.
    """
    stands: dict[str, Stands] = {}
    changed: dict[str, Changed] = {}
    if seen is None:
        return stands, changed
    known = _read(seen, start, length)
    for together in (key for key in seen.values if key[0]):
        whole = _cut(seen.values[together], start, length)
        now, norm = whole[:, :-1], whole[:, -1]
        first = now
        several = [name for name, at in acting.items() if at in together]
        for name in several:
            number = strengths.get(name, 0.0)
            changed[name] = _changed(seen, name, acting[name], start, now, known, number)
            now = changed[name].after
        for index, hook_name in enumerate(together):
            place = _columns(together, index, names)
            stands[hook_name] = Stands(norm, first[:, place], now[:, place])
            for name in several:
                if acting[name] == hook_name:
                    changed[name] = _of_place(changed[name], place)
    none = np.zeros((length, 0))
    for name, at in acting.items():
        if name not in changed:
            changed[name] = _changed(seen, name, at, start, none, known, strengths.get(name, 0.0))
    return stands, {name: changed[name] for name in acting}


def _read(seen: Seen, start: int, length: int) -> ndarray:
    """Which tokens were read: the one that is drawn last is not."""
    known = np.zeros(length, dtype=bool)
    for key, values in seen.values.items():
        # Of what stands somewhere its norm is last, of what was done the strength first.
        known |= np.isfinite(_cut(values, start, length)[:, -1 if key[0] else 0])
    return known


def _columns(together: tuple[str, ...], number: int, names: Mapping[str, tuple[str, ...]]) -> slice:
    """Which projections are those of one of several names of a hook point."""
    sizes = [len(names.get(each, ())) for each in together]
    return slice(sum(sizes[:number]), sum(sizes[: number + 1]))


def _of_place(changed: Changed, place: slice) -> Changed:
    parts = {**vars(changed), "before": changed.before[:, place], "after": changed.after[:, place]}
    return Changed(**parts)


def _cut(values: ndarray, start: int, length: int) -> ndarray:
    """Columns of a text; the token that was drawn last was not read, and has none."""
    found = np.full((length, values.shape[1]), np.nan)
    own = values[start : start + length]
    found[: len(own)] = own
    return found


def _changed(
    seen: Seen,
    name: str,
    hook_name: str,
    start: int,
    before: ndarray,
    known: ndarray,
    number: float,
) -> Changed:
    length = len(known)
    values = seen.values.get(("", name))
    at_scores = values is not None and values.shape[1] == 2
    nothing = np.where(known, 0.0, np.nan)
    if values is None:
        same = np.where(known, 1.0, np.nan)
        idle = np.zeros(length, dtype=bool)
        strength = np.where(known, number, np.nan)
        return Changed(hook_name, strength, idle, nothing, nothing, same, before, before)
    own = _cut(values, start, length)
    absent = known & np.isnan(own[:, 0])
    strength = np.where(absent, number, own[:, 0])
    acts = own[:, 1] == 1
    if at_scores:
        unknown = np.full(length, np.nan)
        return Changed(hook_name, strength, acts, unknown, unknown, unknown, before, before)
    norm, along, across, moved = own[:, 2:6].T
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(absent, 0.0, moved / norm)
        angle = np.degrees(np.arctan2(across, along))
        ratio = np.where(absent | (moved == 0), 1.0, np.hypot(along, across) / norm)
    angle = np.where(absent | (moved == 0), 0.0, angle)
    after = np.where(absent[:, None], before, own[:, 6:])
    return Changed(hook_name, strength, acts, relative, angle, ratio, before, after)
