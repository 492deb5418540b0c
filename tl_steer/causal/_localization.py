"""Localization: how much each site carries, with intervals over prompts."""

from dataclasses import dataclass, field

import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from tl_steer.arguments import Count, Measured, checked
from tl_steer.causal._effects import Effects
from tl_steer.causal._effects_figure import (
    draw_head_heatmap,
    draw_layer_effects,
    draw_position_heatmap,
)
from tl_steer.causal._experiment import Experiment
from tl_steer.causal._intervals import intervals
from tl_steer.causal._sites import Site
from tl_steer.errors import DataError
from tl_steer.page.html import result_html

_SHOWN = 6
# Of the size of the effects: below it a whole difference is rounding, and a share means nothing.
_NOTHING = 1e-9


@checked
@dataclass(frozen=True, eq=False)
class Localization:
    """Effects of all sites; made by :func:`~tl_steer.localize`."""

    frame: pd.DataFrame
    """A row for each site, in the order of the pass: ``hook_name``, ``layer``, ``site`` (what
    follows the block's number), ``head`` and ``position`` (missing where there is none),
    ``effect`` (mean over prompts, in the metric's unit), ``low`` and ``high`` (95 % bootstrap
    interval over prompts; NaN for one prompt), ``share`` (of the whole difference of the prompts
    that have the site, see ``whole``) and ``prompts`` (how many have the site)."""

    sites: tuple[Site, ...]
    """The same sites, in the same order."""

    per_prompt: Float[Tensor, "site prompt"]
    """The effect on each prompt, float64; NaN where a prompt lacks the site."""

    baseline: Float[Tensor, " prompt"]
    """The metric of each prompt with nothing exchanged."""

    whole: Measured
    """Mean metric of the other class minus mean baseline: what exchanging everything does. NaN for
    ablations, and where the metric cannot be taken of the other class."""

    prompts: tuple[str, ...]
    """The texts that ran."""

    tokens: tuple[tuple[str, ...], ...]
    """Their tokens, as text."""

    method: str
    """How effects were found."""

    experiment: Experiment | None = field(repr=False)
    """What was run, with the model: for :func:`~tl_steer.causal.verify`. ``None`` where
    this was pickled since: a model does not go into a pickle with it."""

    @property
    def ranking(self) -> pd.DataFrame:
        """The frame with the largest effect first, of either sign; ties in the order of the pass.

        Sites that no prompt has an effect for come last.
        """
        order = self.frame["effect"].abs().sort_values(ascending=False, kind="stable").index
        return self.frame.loc[order].reset_index(drop=True)

    def best(self, k: Count = 1) -> tuple[Site, ...]:
        """Return the ``k`` sites with the largest effects, of either sign, the largest first.

        Raises:
            DataError: For fewer than one, or more than there are.
        """
        if not 1 <= k <= len(self.sites):
            raise DataError(f"k={k}: expected 1 to {len(self.sites)}, the number of sites.")
        order = self.frame["effect"].abs().sort_values(ascending=False, kind="stable").index
        return tuple(self.sites[number] for number in order[:k])

    def __repr__(self) -> str:
        """Say what was done, and the largest effects."""
        lines = [
            f"  {site!s:<44} {row.effect:+.4g} ({row.low:.4g} to {row.high:.4g}), "
            f"share {row.share:.1%}"
            for site, row in zip(
                self.best(min(_SHOWN, len(self.sites))),
                self.ranking.itertuples(),
                strict=False,
            )
        ]
        more = [f"  … {len(self.sites) - _SHOWN} more"] if len(self.sites) > _SHOWN else []
        return "\n".join(
            [
                f"Localization by {self.method} of {len(self.sites)} sites over "
                f"{len(self.prompts)} prompts; whole difference {self.whole:.4g}",
                *lines,
                *more,
            ]
        )

    def plot(self) -> Figure:
        """Draw effects by head, by position or by layer, whichever tells the sites apart."""
        with_heads = self.frame.loc[self.frame["head"].notna(), "site"]
        if len(with_heads):
            return draw_head_heatmap(self, site=str(with_heads.iloc[0]))
        if bool(self.frame["position"].notna().any()):
            return draw_position_heatmap(self)
        return draw_layer_effects(self)

    def _repr_html_(self) -> str:
        return result_html(repr(self).splitlines()[0], self.ranking, most=2 * _SHOWN)


def localization_of(
    experiment: Experiment, effects: Effects, whole: float, *, method: str, seed: int
) -> Localization:
    """Put effects into a frame."""
    means = effects.of.nanmean(1)
    low, high = intervals(effects.of, seed=seed)
    sites = experiment.sites
    frame = pd.DataFrame(
        {
            "hook_name": [site.hook_name for site in sites],
            "layer": [site.layer for site in sites],
            "site": [site.kind for site in sites],
            "head": pd.array([site.head for site in sites], dtype="Int64"),
            "position": pd.array([site.position for site in sites], dtype="Int64"),
            "effect": means.numpy(),
            "low": low.numpy(),
            "high": high.numpy(),
            "share": _shares(effects, means, whole).numpy(),
            "prompts": (~effects.of.isnan()).sum(1).numpy(),
        }
    )
    decode = experiment.model.tokenizer.convert_ids_to_tokens
    as_text = experiment.model.tokenizer.convert_tokens_to_string
    return Localization(
        frame=frame,
        sites=sites,
        per_prompt=effects.of,
        baseline=effects.baseline,
        whole=whole,
        prompts=experiment.texts,
        tokens=tuple(
            tuple(str(as_text([token])) for token in decode(list(row))) for row in experiment.base
        ),
        method=method,
        experiment=experiment,
    )


def _shares(effects: Effects, means: Tensor, whole: float) -> Float[Tensor, " site"]:
    """Divide each mean effect by the whole difference of the prompts that have the site."""
    over = torch.full_like(means, whole)
    if effects.whole is not None:
        there = (~effects.of.isnan()).to(effects.of)
        over = (there @ effects.whole) / there.sum(1)
    largest = float(means.abs().nan_to_num(0).max())
    found: Tensor = means / torch.where(over.abs() > _NOTHING * largest, over, torch.nan)
    return found
