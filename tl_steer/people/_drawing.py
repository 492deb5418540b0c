"""Which texts go on a sheet, in which order, under which names: by lot, and balanced."""

import hashlib
import json
from collections.abc import Sequence
from math import ceil

import numpy as np
import pandas as pd

from tl_steer.errors import DataError
from tl_steer.people._question import FIRST, SECOND

# Without vowels and digits no spreadsheet takes a name for a number, a date or a word.
_LETTERS = "bcdfghjkmnpqrstvwxz"
UNIT = ["prompt_index", "sample"]


def lot(asked: str, frame: pd.DataFrame) -> np.random.Generator:
    """Random numbers that only those can repeat who know which condition wrote which text.

    Seeds are guessed easily, most are 0. So the numbers hang on all texts with their conditions as
    well: with the sheet and the seed, but without these, the order tells nothing.

    Args:
        asked: The seed, and whatever else was asked for, so that no two sheets share names.
        frame: All texts with their conditions.
    """
    content = json.dumps([asked, *frame.to_numpy(object).tolist()])
    digest = hashlib.sha256(content.encode("ascii")).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def name_of(content: str) -> str:
    """Ten letters that stand for a content, the same whenever it is the same."""
    number = int.from_bytes(hashlib.sha256(content.encode("ascii")).digest(), "big")
    return "".join(
        _LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(10)
    )


def draw_singles(
    frame: pd.DataFrame, n: int | None, repeats: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw texts: as many of each condition, and of the same prompts and samples.

    Returns:
        A row for each item in the order of the sheet, with ``item``, ``repeat_of``, ``condition``,
        ``prompt_index``, ``sample``, ``prompt`` and ``text``.
    """
    conditions = list(dict.fromkeys(frame["condition"]))
    units = _units(frame, conditions, rng)
    wanted = _wanted(n, len(units) * len(conditions), at_least=len(conditions))
    rows = [(name, *unit) for unit in units for name in _mixed(conditions, rng)][:wanted]
    by_key = frame.set_index(["condition", *UNIT])
    drawn = by_key.loc[rows].reset_index()
    drawn["other"] = drawn["side"] = ""
    return _in_order(drawn, repeats, rng)


def draw_pairs(
    frame: pd.DataFrame,
    between: tuple[str, str],
    n: int | None,
    repeats: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw pairs of texts to one prompt and sample; each condition is first in half of them.

    Returns:
        As :func:`draw_singles`, with ``other`` (the second condition), ``side`` (where the text of
        ``condition`` stands), ``first`` and ``second`` (the texts).
    """
    units = _units(frame, between, rng)
    units = units[: _wanted(n, len(units), at_least=1)]
    one, other = (
        frame[frame["condition"] == name].set_index(UNIT).loc[units].reset_index()
        for name in between
    )
    drawn = one.assign(other=between[1], text_of_other=other["text"])
    sides = [FIRST, SECOND] if rng.random() < 0.5 else [SECOND, FIRST]
    drawn["side"] = _mixed([sides[place % 2] for place in range(len(units))], rng)
    items = _in_order(drawn, repeats, rng)
    # Shown again, a pair is the other way round: whoever always takes the first is found out.
    again = items["repeat_of"] != ""
    items.loc[again, "side"] = items.loc[again, "side"].map({FIRST: SECOND, SECOND: FIRST})
    ahead = items["side"] == FIRST
    items["first"] = items["text"].where(ahead, items["text_of_other"])
    items["second"] = items["text_of_other"].where(ahead, items["text"])
    return items


def _units(
    frame: pd.DataFrame, conditions: Sequence[str], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Prompts and samples that all conditions have: each prompt once, then each once more ..."""
    kept = frame[frame["condition"].isin(list(conditions))]
    counts = kept.groupby(UNIT, sort=False).size()
    shared = pd.Series(counts[counts == len(conditions)].index.tolist(), dtype=object)
    if shared.empty:
        raise DataError(
            f"No prompt and sample has a text of each of {', '.join(conditions)}. Raters compare "
            "conditions on the same prompts: give texts generated from the same ones."
        )
    mixed = [shared[place] for place in rng.permutation(len(shared))]
    rounds: dict[int, int] = {}
    order = []
    for prompt, sample in mixed:
        rounds[prompt] = rounds.get(prompt, -1) + 1
        order.append((rounds[prompt], prompt, sample))
    # Sorting keeps the random order within a round.
    return [(prompt, sample) for _, prompt, sample in sorted(order, key=lambda unit: unit[0])]


def _mixed(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [names[place] for place in rng.permutation(len(names))]


def _wanted(n: int | None, there: int, *, at_least: int) -> int:
    if n is None:
        return there
    if not at_least <= n <= there:
        raise DataError(
            f"n={n}: {there} can be compared, and at least {at_least} are needed, so that every "
            "condition is included."
        )
    return n


def _in_order(drawn: pd.DataFrame, repeats: float, rng: np.random.Generator) -> pd.DataFrame:
    """Shuffle, add repeats at least half a sheet after their first showing, and give names."""
    n = len(drawn)
    base = drawn.iloc[rng.permutation(n)].reset_index(drop=True)
    again = rng.choice(max(n // 2, 1), size=min(ceil(repeats * n), n // 2), replace=False)
    names = _names(n + len(again), rng)
    base["item"], base["repeat_of"] = names[:n], ""
    shown = base.iloc[again].copy()
    shown["repeat_of"], shown["item"] = shown["item"], names[n:]
    place = np.concatenate([np.arange(n), again + n / 2 + rng.uniform(0, n / 2, len(again))])
    both = pd.concat([base, shown], ignore_index=True)
    return both.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)


def _names(n: int, rng: np.random.Generator) -> list[str]:
    names: dict[str, None] = {}
    while len(names) < n:
        names["".join(_LETTERS[letter] for letter in rng.integers(len(_LETTERS), size=6))] = None
    return list(names)
