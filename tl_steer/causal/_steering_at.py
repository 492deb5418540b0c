"""From where a property is carried to steering it there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tl_steer.arguments import Count, checked
from tl_steer.causal._localization import Localization
from tl_steer.causal._sites import Site
from tl_steer.directions import Direction, Directions, select_heads
from tl_steer.errors import DataError, MismatchError, NonFiniteError
from tl_steer.interventions import Add
from tl_steer.scopes import AllOf, Positions, Scope, as_scope, everywhere, last_prompt_token
from tl_steer.steering import Steering


@checked
def steering_at(
    found: Localization,
    directions: Direction | Directions,
    *,
    k: Count = 1,
    dose: float = 0.1,
    scope: Scope | slice = everywhere,
) -> Steering:
    """Add directions at the ``k`` sites that carry a property most, and nowhere else.

    ::

        joy = ts.mean_difference(ts.capture(model, reviews, at="blocks.*.hook_mlp_out"))
        with ts.steer(model, ts.causal.steering_at(found, joy, k=3, dose=0.15)):
            ...

    The dose is that of all additions together: ``Σ ‖αv‖ / ‖h‖ = dose``, divided equally over the
    sites. Heads of one hook point are one addition, of a direction with only these heads, which
    keep their proportions to each other; it gets the shares of its heads. A site at one position
    is steered at that token of the prompt alone, since its effect was measured there.

    Where the whole difference is known, a site that pushes the other way (its ``share`` is
    negative) gets the direction turned round, so that all additions move the metric one way; for
    ablations, where it is not, no direction is turned.

    The sum says how much is added, not how much comes of it: what is added to one block, later
    ones read. Compare at equal KL.

    Args:
        found: Effects by patching, or estimates of them.
        directions: One at each of these sites' hook points, such as mean differences there.
        k: How many of the largest effects, of either sign.
        dose: Relative dose, for example 0.1; negative to steer the other way.
        scope: Of all additions; sites at a position are steered where both meet.

    Returns:
        One addition for each hook point and position, named after its sites.

    Raises:
        DataError: For a ``k`` that there is not, or that takes in sites without an effect: whose
            95 % interval contains zero.
        MismatchError: When there is no direction at a site, or one of another model or shape.
        NonFiniteError: For a direction, or a head of it, that is zero; for a dose of NaN.
        SteerError: If it is not a scope, or never meets these sites.
    """
    if not math.isfinite(dose):
        raise NonFiniteError(f"dose={dose}: expected a finite share of the activations' norm.")
    scope = as_scope(scope)
    known = (
        Directions({directions.hook_name: directions})
        if isinstance(directions, Direction)
        else directions
    )
    best = found.best(k)
    _require_effects(found, best)
    signs = {site: _sign(found, site) for site in best}
    additions = {}
    for group in _groups(best):
        one = group.of(known, signs)
        if found.experiment is not None:
            one.check_fits(found.experiment.model)
        strength = one.strength_for(dose=dose * len(group.sites) / k)
        additions[group.name] = Add(one, strength, scope=group.scope(scope))
    return Steering(**additions)


@dataclass(frozen=True)
class _Group:
    """Sites that are steered by one addition: one hook point at one position, or heads of it."""

    sites: tuple[Site, ...]

    @property
    def name(self) -> str:
        """The hook name, and what of it."""
        first = self.sites[0]
        if first.head is None:
            return str(first)
        heads = ", ".join(str(site.head) for site in self.sites)
        position = "" if first.position is None else f" position {first.position}"
        return f"{first.hook_name} heads {heads}{position}"

    def scope(self, asked: Scope) -> Scope:
        """Keep the tokens at this position."""
        position = self.sites[0].position
        if position is None:
            return asked
        # Position -1 has no end to count to, and those without an end take in generated tokens.
        here = last_prompt_token if position == -1 else Positions(position, position + 1)
        return here if asked is everywhere else AllOf(here, asked)

    def of(self, directions: Directions, signs: dict[Site, float]) -> Direction:
        """Keep these heads of the direction, each turned to where it moves the metric up."""
        name = self.sites[0].hook_name
        if name not in directions:
            raise MismatchError(
                f"{self.sites[0]}: no direction was read there. Available: "
                f"{', '.join(directions)}. Capture at {name!r} as well, or localize among hook "
                "points with directions."
            )
        whole = directions[name]
        if self.sites[0].head is None:
            return whole if signs[self.sites[0]] > 0 else -whole
        _require_heads(whole, self.sites)
        parts = [
            sign * select_heads(whole, [_head(site) for site in self.sites if signs[site] == sign])
            for sign in (1.0, -1.0)
            if any(signs[site] == sign for site in self.sites)
        ]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _groups(sites: Sequence[Site]) -> list[_Group]:
    """The group with the largest effect first; heads in their own order."""
    together: dict[tuple[str, int | None], list[Site]] = {}
    for site in sites:
        together.setdefault((site.hook_name, site.position), []).append(site)
    return [_Group(tuple(sorted(some, key=_head))) for some in together.values()]


def _head(site: Site) -> int:
    return -1 if site.head is None else site.head


def _sign(found: Localization, site: Site) -> float:
    share = float(found.frame["share"].iloc[found.sites.index(site)])
    return -1.0 if share < 0 else 1.0


def _require_heads(direction: Direction, sites: Sequence[Site]) -> None:
    if direction.vector.ndim != 2 or len(direction.vector) <= max(map(_head, sites)):
        raise MismatchError(
            f"{sites[-1]}: the direction there has shape {tuple(direction.vector.shape)}, so it "
            "lacks this head. Read one of this model at the same hook point."
        )
    for site in sites:
        if not bool(direction.vector[_head(site)].any()):
            raise NonFiniteError(f"{site}: this head of the direction is zero.")


def _require_effects(found: Localization, best: Sequence[Site]) -> None:
    """Refuse sites whose effect may be none."""
    rows = found.frame.iloc[[found.sites.index(site) for site in best]]
    effect, low, high = (torch.tensor(rows[name].to_numpy()) for name in ("effect", "low", "high"))
    none: Tensor = effect.isnan() | (effect == 0) | ((low <= 0) & (high >= 0))
    if bool(none.any()):
        number = int(none.nonzero()[0])
        row = rows.iloc[number]
        raise DataError(
            f"k={len(best)}: {best[number]} has no effect that can be told from none, "
            f"{row['effect']:+.3g} ({row['low']:.3g} to {row['high']:.3g}). "
            + (
                f"Take k={number}, or localize with more prompts."
                if number
                else "Localize with more prompts, or elsewhere."
            )
        )
