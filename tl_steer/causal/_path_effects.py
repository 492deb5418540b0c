"""PathEffects: how much of an effect goes straight to the logits, and how much through what."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.causal._intervals import intervals
from tl_steer.causal._path_figure import draw_paths
from tl_steer.directions import Direction
from tl_steer.lens.hook_names import layer_of
from tl_steer.page.html import result_html

_PARTS = ("direct", "attention", "mlp")


@checked
@dataclass(frozen=True, eq=False)
class PathEffects:
    """The effect of adding a direction, divided over its paths.

    Made by :func:`~tl_steer.causal.direct_effect`.
    """

    frame: pd.DataFrame
    """A row for each part, the direct one first, then in the order of the pass: ``part``
    (``direct``, ``attention`` or ``mlp``), ``layer`` and ``hook_name`` (for the direct part those
    of the direction), ``effect`` (mean over prompts, in the metric's unit), ``low`` and ``high``
    (95 % bootstrap interval over prompts; NaN for one prompt), and ``share`` of the total (NaN
    where that is zero). Effects add up to the total."""

    per_prompt: Float[Tensor, "part prompt"]
    """The same on each prompt, float64."""

    baseline: Float[Tensor, " prompt"]
    """The metric of each prompt, unsteered."""

    summary: pd.DataFrame
    """``effect``, ``low``, ``high`` and ``share`` of ``total``, ``direct``, ``indirect`` (total
    minus direct), and of ``attention`` and ``mlp``, the two halves of that."""

    direction: Direction
    strength: float
    """α, in multiples of the direction."""

    prompts: tuple[str, ...]

    @property
    def total(self) -> float:
        """Mean metric of the steered model minus that of the unsteered one."""
        return float(self.summary["effect"]["total"])

    @property
    def direct(self) -> float:
        """What is left of it when every later attention and MLP is frozen."""
        return float(self.summary["effect"]["direct"])

    def __repr__(self) -> str:
        """The total, and its parts."""
        rows = self.summary.iterrows()
        lines = [
            f"  {name!s:<10} {row['effect']:+.4g} ({row['low']:.4g} to {row['high']:.4g}), "
            f"share {row['share']:.1%}"
            for name, row in rows
        ]
        head = (
            f"PathEffects of {self.strength:.3g} × {self.direction.hook_name} over "
            f"{len(self.prompts)} prompts"
        )
        return "\n".join([head, *lines])

    def plot(self) -> Figure:
        """Draw what goes straight to the logits, and what later blocks make of it."""
        return draw_paths(self.frame, self.direct, self.total)

    def _repr_html_(self) -> str:
        return result_html(repr(self).splitlines()[0], self.summary)


@checked
def path_figure(paths: PathEffects) -> Figure:
    """The direct part of an effect, and what each later attention and MLP adds to it.

    The upper panel has a bar for each part, at its layer, with its 95 % interval; the direct part
    stands at the layer of the direction. In the lower one they are added up in the order of the
    pass, from the direct part to the total.
    """
    return paths.plot()


def path_effects_of(
    reached: Float[Tensor, "step prompt"],
    later: Sequence[str],
    *,
    texts: tuple[str, ...],
    direction: Direction,
    strength: float,
    seed: int,
) -> PathEffects:
    """Put metrics into effects.

    Args:
        reached: The metric unsteered; with every later output frozen; with the first of them as in
            the steered run, the first two, and so on to all of them, which is the steered run.
        later: Hook names of these outputs, in order.
        texts: The prompts.
        direction: What was added.
        strength: How much of it.
        seed: Of the bootstrap.
    """
    each = reached.diff(dim=0)
    kinds = [_PARTS[0], *(_PARTS[1] if name.endswith("attn_out") else _PARTS[2] for name in later)]
    names = [direction.hook_name, *later]
    total = float(each.sum(0).mean())
    frame = pd.DataFrame(
        {
            "part": kinds,
            "layer": [layer_of(name) for name in names],
            "hook_name": names,
            **_columns(each, total, seed),
        }
    )
    chosen = [
        torch.tensor([kind in kept for kind in kinds], dtype=each.dtype)
        for kept in (_PARTS, _PARTS[:1], _PARTS[1:], _PARTS[1:2], _PARTS[2:])
    ]
    summary = pd.DataFrame(
        _columns(torch.stack(chosen) @ each, total, seed),
        index=pd.Index(["total", "direct", "indirect", "attention", "mlp"]),
    )
    return PathEffects(frame, each, reached[0], summary, direction, strength, texts)


def _columns(effects: Float[Tensor, "part prompt"], total: float, seed: int) -> dict[str, object]:
    means = effects.mean(1)
    low, high = intervals(effects, seed=seed)
    share = means / total if total else torch.full_like(means, torch.nan)
    return {
        "effect": means.numpy(),
        "low": low.numpy(),
        "high": high.numpy(),
        "share": share.numpy(),
    }
