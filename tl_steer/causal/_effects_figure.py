"""Where a property is carried, drawn."""

from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from tl_steer.drawing.canvas import SMALL, blank_figure, legend_above, level, single
from tl_steer.drawing.colours import COLOURS, MARKERS
from tl_steer.drawing.maps import heat, scale
from tl_steer.drawing.words import drawable
from tl_steer.errors import DataError

_TICKS = 24
_LABELS = {"effect": "change of the metric", "share": "share of the whole difference"}


@runtime_checkable
class Located(Protocol):
    """What is drawn of a localization."""

    @property
    def frame(self) -> pd.DataFrame: ...

    @property
    def per_prompt(self) -> Tensor: ...

    @property
    def whole(self) -> float: ...

    @property
    def prompts(self) -> tuple[str, ...]: ...

    @property
    def tokens(self) -> tuple[tuple[str, ...], ...]: ...


def draw_position_heatmap(
    found: Located,
    *,
    site: str | None = None,
    value: str = "effect",
    prompt: int | None = None,
) -> Figure:
    """Draw as :func:`~tl_steer.causal.position_heatmap` says."""
    rows = _of_site(found, site)
    if rows["position"].isna().any() or rows["head"].notna().any():
        raise DataError(
            "effects of single positions at hook points without heads are wanted: "
            'localize(…, at="blocks.*.hook_resid_post", positions=EachPosition()).'
        )
    table = _table(found, rows, value, "position", prompt)
    names = [_token(found, int(position), prompt) for position in table.columns]
    return _heatmap(table, names, value=value, across="token")


def draw_head_heatmap(
    found: Located,
    *,
    site: str | None = None,
    value: str = "effect",
    position: int | None = None,
) -> Figure:
    """Draw as :func:`~tl_steer.causal.head_heatmap` says."""
    rows = _of_site(found, site)
    rows = rows[rows["position"] == position] if position is not None else rows
    if rows.empty or rows["head"].isna().any() or rows["position"].nunique(dropna=False) > 1:
        raise DataError(
            "effects of heads at one choice of positions are wanted: localize(…, "
            'at="blocks.*.attn.hook_z"), and position=… where positions were apart.'
        )
    table = _table(found, rows, value, "head", None)
    return _heatmap(table, [str(head) for head in table.columns], value=value, across="head")


def draw_layer_effects(found: Located, *, value: str = "effect") -> Figure:
    """Draw as :func:`~tl_steer.causal.layer_effects` says."""
    rows = found.frame
    if rows["head"].notna().any() or rows["position"].nunique(dropna=False) > 1:
        raise DataError(
            "one effect for each hook point is wanted; head_heatmap and position_heatmap draw "
            "heads and positions."
        )
    over = _unit(found, value)
    figure, (axes,) = blank_figure(3.4, 1)
    for number, (kind, part) in enumerate(rows.groupby("site", sort=False)):
        ordered = part.sort_values("layer")
        colour = COLOURS[number % len(COLOURS)]
        axes.fill_between(
            ordered["layer"],
            ordered["low"] / over,
            ordered["high"] / over,
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(
            ordered["layer"],
            ordered["effect"] / over,
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            markersize=4.5,
            linewidth=1.6,
            label=str(kind),
        )
    level(axes, 0)
    axes.set(xlabel="layer", ylabel=_LABELS[value])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(axes)
    return figure


def _of_site(found: Located, site: str | None) -> pd.DataFrame:
    kinds = list(dict.fromkeys(found.frame["site"]))
    if site is None and len(kinds) > 1:
        raise DataError(f"there are several kinds of hook points; give site=, one of {kinds}.")
    if site is not None and site not in kinds:
        raise DataError(f"site={site!r}: there are {kinds}.")
    return found.frame[found.frame["site"] == (site or kinds[0])]


def _unit(found: Located, value: str) -> float:
    if value not in _LABELS:
        raise DataError(f"value={value!r}: effect or share can be drawn.")
    if value == "effect":
        return 1.0
    if not np.isfinite(found.whole) or found.whole == 0:
        raise DataError("there is no whole difference here, and so no share of it; draw effects.")
    return found.whole


def _table(
    found: Located, rows: pd.DataFrame, value: str, across: str, prompt: int | None
) -> pd.DataFrame:
    """Layers downwards from the last; what is across in its own order."""
    over = _unit(found, value)
    values = rows["effect"]
    if prompt is not None:
        if not 0 <= prompt < len(found.prompts):
            raise DataError(f"prompt={prompt}: there are prompts 0 to {len(found.prompts) - 1}.")
        values = pd.Series(found.per_prompt[rows.index.tolist(), prompt].numpy(), rows.index)
        # Positions of longer prompts are not this one's.
        rows, values = rows[values.notna()], values[values.notna()]
    table = pd.DataFrame(
        {"layer": rows["layer"], "across": rows[across].astype(int), "value": values / over}
    ).pivot(index="layer", columns="across", values="value")
    return table.sort_index(ascending=False)


def _token(found: Located, position: int, prompt: int | None) -> str:
    chosen = found.tokens if prompt is None else found.tokens[prompt : prompt + 1]
    there = {tokens[position] for tokens in chosen if -len(tokens) <= position < len(tokens)}
    text = there.pop() if len(there) == 1 else ""
    shown = drawable(text.replace("\n", "⏎")) or ("␣" if text else "")
    return f"{shown}  {position}" if shown else str(position)


def _heatmap(table: pd.DataFrame, names: list[str], *, value: str, across: str) -> Figure:
    values = table.to_numpy(dtype=float)
    largest = float(np.nanmax(np.abs(values))) or 1.0
    height = min(7.0, 2.0 + 0.2 * len(table))
    figure, axes = single(height)
    drawn = heat(axes, values, limit=largest)
    across_step, down_step = (-(-count // _TICKS) for count in (len(names), len(table)))
    rotation = 0 if across == "head" else 90
    axes.set_xticks(
        range(0, len(names), across_step), names[::across_step], rotation=rotation, fontsize=SMALL
    )
    layers = [str(layer) for layer in table.index]
    axes.set_yticks(range(0, len(table), down_step), layers[::down_step], fontsize=SMALL)
    axes.set(xlabel=across, ylabel="layer")
    scale(drawn, figure, _LABELS[value])
    return figure
