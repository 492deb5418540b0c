"""Constraints: what steering may cost, beside the same model without it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tl_steer.arguments import checked
from tl_steer.errors import DataError, SteerError

_READ = ("perplexity", "repetition", "kl")


@checked
@dataclass(frozen=True)
class Constraints:
    """How much worse than unsteered text steered text may be; ``None`` for no limit.

    Raises:
        SteerError: For a limit that cannot be, or none at all.
    """

    perplexity_ratio: float | None = 1.5
    """Of the steered to the unsteered texts' perplexity, both under the unsteered model."""

    repetition: float | None = 0.02
    """Share of repeated 4-grams, over that of the unsteered texts."""

    kl: float | None = None
    """Mean KL of the token after the prompts from that without steering, in nats."""

    def __post_init__(self) -> None:
        """Check that there is a limit, and that each can be kept by doing nothing."""
        lowest = {"perplexity_ratio": 1.0, "repetition": 0.0, "kl": 0.0}
        given = {name: getattr(self, name) for name in lowest if getattr(self, name) is not None}
        if not given:
            raise SteerError(
                "no constraint came, so that any dose would do. Give perplexity_ratio=, "
                "repetition= or kl=, or set the strength by Search(kl=…)."
            )
        for name, limit in given.items():
            ends = (lowest[name], 0.0 if name == "kl" else math.inf)
            if not math.isfinite(limit) or limit < ends[0] or limit == ends[1]:
                least = "over 0" if name == "kl" else f"{lowest[name]:g} or more"
                raise SteerError(f"{name}={limit}: a finite number is wanted, {least}.")

    def excesses(self, row: Mapping[str, Any], unsteered: Mapping[str, Any]) -> dict[str, float]:
        """How far each limit is overstepped, as a share of what it allows; 0 or less is within.

        ``(found − base) / (limit − base) − 1`` with what doing nothing comes to as the base: 0.5 is
        half as much again as is allowed. Where nothing is allowed, it is the excess itself.

        Args:
            row: As of ``SweepResult.cells``, of steered texts.
            unsteered: The same of unsteered texts of the same prompts and seeds.

        Returns:
            By name, for the limits that there are. What is not finite oversteps by infinity; texts
            of fewer than 4 words, which have no repetition, do not repeat themselves.

        Raises:
            DataError: For a row without one of the columns that are read.
        """
        for name, each in {"row": row, "unsteered": unsteered}.items():
            missing = [column for column in _READ if column not in each]
            if missing:
                raise DataError(f"{name} lacks {missing}; it is to be a row of SweepResult.cells.")
        found = {
            "perplexity_ratio": (row["perplexity"] / unsteered["perplexity"], 1.0, 0.0),
            "repetition": (_repetition(row), 0.0, _repetition(unsteered)),
            "kl": (row["kl"], 0.0, 0.0),
        }
        over = {}
        for name, (value, base, shift) in found.items():
            limit = getattr(self, name)
            if limit is None:
                continue
            excess = float(value) - shift - limit
            over[name] = excess / (limit - base or 1.0) if math.isfinite(excess) else math.inf
        return over

    def why_not(self, row: Mapping[str, Any], unsteered: Mapping[str, Any]) -> str:
        """Which limits are overstepped, in words; empty where none is."""
        over = [name for name, excess in self.excesses(row, unsteered).items() if excess > 0]
        ratio = row["perplexity"] / unsteered["perplexity"]
        more = _repetition(row) - _repetition(unsteered)
        said = {
            "perplexity_ratio": f"perplexity {ratio:.2f} × unsteered",
            "repetition": f"repetition {more:+.3f} over unsteered",
            "kl": f"KL {row['kl']:.3g} nats",
        }
        return ", ".join(said[name] for name in over)

    def __str__(self) -> str:
        """The limits in one line."""
        said = {
            "perplexity_ratio": "perplexity ≤ {:g} × unsteered",
            "repetition": "repetition ≤ unsteered + {:g}",
            "kl": "KL ≤ {:g} nats",
        }
        limits = {name: getattr(self, name) for name in said}
        return ", ".join(
            text.format(limits[name]) for name, text in said.items() if limits[name] is not None
        )


def _repetition(row: Mapping[str, Any]) -> float:
    found = float(row["repetition"])
    return 0.0 if math.isnan(found) else found
