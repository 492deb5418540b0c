"""Does attribution say what patching finds? The largest effects, and as many at random."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.stats import rankdata
from torch import Tensor

from tl_steer.arguments import Count, Measured, Seed, checked
from tl_steer.causal._activation_patching import activation_patching
from tl_steer.causal._attribution_figure import draw_scatter
from tl_steer.causal._intervals import intervals, means, resampled
from tl_steer.causal._localization import Localization
from tl_steer.errors import SteerError
from tl_steer.page.html import result_html

_LISTED = 4

BySite = Float[np.ndarray, " site"]


class AttributionFailsWarning(UserWarning):
    """Attribution and patching disagree, in sign or in size, at sites that matter."""


@checked
@dataclass(frozen=True, eq=False)
class Verification:
    """What attribution said, and what patching found, at the same sites."""

    frame: pd.DataFrame
    """A row for each site that was patched: the columns that say which, ``chosen`` (``top``, with
    the largest first, or ``random``), ``attribution``, ``patching`` with its 95 % bootstrap
    interval over prompts ``low`` and ``high``, and ``problem``: empty, ``sign`` (they point
    opposite ways), ``too small`` (attribution sees less than patching finds: saturated, or
    cancelling to first order) or ``too large`` (the slope does not last the whole way)."""

    rank_correlation: Measured
    """Spearman's, between attribution and patching over all of these sites; NaN where one of them
    does not vary."""

    low: Measured
    high: Measured
    """Ends of its 95 % bootstrap interval over prompts; NaN for one prompt."""

    @property
    def problems(self) -> pd.DataFrame:
        """The sites at which the two disagree."""
        return self.frame[self.frame["problem"] != ""]

    def __repr__(self) -> str:
        """The rank correlation, and how many sites disagree."""
        return (
            f"Verification of {len(self.frame)} sites: rank correlation "
            f"{self.rank_correlation:.2f} ({self.low:.2f} to {self.high:.2f}); attribution fails "
            f"at {len(self.problems)}"
        )

    def plot(self) -> Figure:
        """Draw what attribution said against what patching found."""
        return draw_scatter(self.frame, self.rank_correlation)

    def _repr_html_(self) -> str:
        return result_html(repr(self), self.frame)


@checked
def attribution_scatter(verified: Verification) -> Figure:
    """What attribution said against what patching found, a point for each site.

    Whiskers are 95 % bootstrap intervals over prompts; on the dashed line both say the same.
    """
    return verified.plot()


@checked
def verify(
    found: Localization,
    *,
    k: Count = 10,
    factor: float = 2.0,
    matters: float = 0.1,
    seed: Seed = 0,
    max_tokens: Count | None = None,
    progress: bool = True,
) -> Verification:
    """Patch the ``k`` sites with the largest estimated effects, and ``k`` others at random.

    The random ones show what the ranking has missed: a rank correlation over the top alone says
    little of that.

    Args:
        found: By :func:`~tl_steer.causal.attribution_patching`. Its model must
            be as it was then.
        k: Sites of each kind; fewer random ones where there are fewer others.
        factor: How many times one may be of the other before sizes disagree.
        matters: Sites are judged where the larger of the two effects is at least this share of the
            largest that patching finds; below, signs and sizes are noise.
        seed: Of the draw and of the bootstrap.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Warns:
        AttributionFailsWarning: Where sign or size disagree at a site that matters.

    Raises:
        DataError: For a ``k`` that is not between 1 and the number of sites.
        SteerError: For a ``factor`` of 1 or less, or a share that is none.
    """
    if not factor > 1 or not 0 < matters <= 1:
        raise SteerError(
            f"factor={factor}, matters={matters}: expected a factor over 1, and matters over 0 up "
            "to 1."
        )
    if found.experiment is None:
        raise SteerError(
            "These effects were pickled, and a pickle holds no model to patch. Find them again "
            "with attribution_patching(…)."
        )
    top = found.best(k)
    others = [site for site in found.sites if site not in set(top)]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(others), generator=generator)[:k].tolist()
    chosen = (*top, *(others[number] for number in sorted(drawn)))
    numbers = [found.sites.index(site) for site in chosen]
    patched = activation_patching(
        found.experiment.only(chosen), max_tokens=max_tokens, progress=progress
    )
    estimated = found.per_prompt[numbers]
    low, high = intervals(patched.of, seed=seed)
    one, other = (each.nanmean(1) for each in (estimated, patched.of))
    frame = found.frame.loc[numbers, ["hook_name", "layer", "site", "head", "position"]]
    frame = frame.reset_index(drop=True).assign(
        chosen=["top"] * len(top) + ["random"] * len(drawn),
        attribution=one.numpy(),
        patching=other.numpy(),
        low=low.numpy(),
        high=high.numpy(),
        problem=_problems(one, other, factor, matters),
    )
    counts = resampled(patched.of.shape[1], seed=seed)
    samples = _correlations(means(estimated, counts), means(patched.of, counts))
    ends = (float("nan"), float("nan"))
    if patched.of.shape[1] > 1 and not bool(samples.isnan().all()):
        lower, upper = samples.nanquantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
        ends = (float(lower), float(upper))
    verified = Verification(frame, float(_correlations(one[None], other[None])[0]), *ends)
    _warn(verified)
    return verified


def _problems(one: Tensor, other: Tensor, factor: float, matters: float) -> list[str]:
    """Name what is wrong with each estimate ``one`` of a measured effect ``other``.

    Of two numbers with opposite signs one may be as good as zero; that is a matter of size.
    """
    least = matters * float(other.abs().max())
    found = []
    for estimate, effect in zip(one.tolist(), other.tolist(), strict=True):
        problem = ""
        if max(abs(estimate), abs(effect)) >= least > 0:
            if estimate * effect < 0 and min(abs(estimate), abs(effect)) >= least:
                problem = "sign"
            elif abs(effect) > factor * abs(estimate):
                problem = "too small"
            elif abs(estimate) > factor * abs(effect):
                problem = "too large"
        found.append(problem)
    return found


def _correlations(
    one: Float[Tensor, "draw site"], other: Float[Tensor, "draw site"]
) -> Float[Tensor, " draw"]:
    """Spearman's rank correlation of each row, over the sites that the row has."""
    both = zip(one.numpy(), other.numpy(), strict=True)
    return torch.tensor([_correlation(*row) for row in both], dtype=torch.float64)


def _correlation(one: BySite, other: BySite) -> float:
    """NaN where one side does not vary."""
    there = ~np.isnan(one) & ~np.isnan(other)
    first, second = (rankdata(each[there]) - (there.sum() + 1) / 2 for each in (one, other))
    sizes = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / sizes if sizes > 0 else float("nan")


def _warn(verified: Verification) -> None:
    problems = verified.problems
    if problems.empty:
        return
    listed = []
    for row in problems.head(_LISTED).to_dict("records"):
        head = "" if pd.isna(row["head"]) else f" head {row['head']}"
        place = "" if pd.isna(row["position"]) else f" position {row['position']}"
        listed.append(
            f"{row['hook_name']}{head}{place} ({row['attribution']:.3g} for "
            f"{row['patching']:.3g}, {row['problem']})"
        )
    more = f", and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    warnings.warn(
        "Attribution fails at " + ", ".join(listed) + more + ". Trust patching there: "
        "localize(…, by=activation_patching) at these hook points.",
        AttributionFailsWarning,
        stacklevel=3,
    )
