"""Affine concept editing: h' = h + α(v̂v̂ᵀ(μ − h) + tv)."""

from dataclasses import dataclass, field

from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions import Direction, mean_difference, negative_mean
from tl_steer.interventions._projection import (
    along,
    coordinate_of,
    flat,
    like,
    place_of,
    require_finite,
    unit_of,
)
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class AffineEdit:
    """Replace a token's own share of a property by one that you choose.

    With the mean ``μ`` of the texts that lack the property, and the direction ``v``::

        h' = h + α(v̂v̂ᵀ(μ − h) + tv)

    With α = 1 this is ``h − proj(h) + proj(μ₋) + tv``, the affine concept editing of Marshall,
    Scherlis and Belrose (2024, https://arxiv.org/abs/2411.09003). Unlike ablation, which
    moves to the origin, it moves to where texts without the property lie. Unlike addition, it gives
    every token the same share of the property, whatever the prompt.

    Raises:
        MismatchError: For a direction and a mean of two hook points without ``at``, or shapes.
        NonFiniteError: For a ``towards`` or strength that is NaN or infinite, and a zero direction.
    """

    direction: Direction
    """``v``; for a mean difference, from the mean of one class to that of the other."""

    mean: Direction | float
    """``μ``, as from ``negative_mean``; only ``v̂ᵀμ`` counts, and you may give that number itself,
    in activation units."""

    towards: float = 0.0
    """``t``, in multiples of the direction as measured: for a mean difference, 0 puts every token
    where the negative class lies along ``v``, 1 where the positive class does."""

    strength: Strength = 1.0
    """α, the share of the way: 1 for all of it, 0 for none."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the direction was read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = place_of(self._vectors, self.at)
        require_finite(name, towards=self.towards, mean=self._goal(unit_of(self.direction)))
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of(self._vectors, self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + α(v̂v̂ᵀ(μ − h) + tv)``, in float32 or better, rounded once."""
        unit = unit_of(self.direction)
        goal = self._goal(unit)
        on_device = OnDevice(unit)

        def affine_edit(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (unit,) = on_device(acts)
            values = flat(acts)
            missing = goal - along(values, unit)
            return like(values + strength[..., None] * missing * unit, acts)

        return affine_edit

    def _goal(self, unit: Tensor) -> float:
        """Where every token's coordinate ends with α = 1: ``v̂ᵀμ + t‖v‖``."""
        length = float(self.direction.vector.double().norm())
        return coordinate_of(self.mean, unit) + self.towards * length

    @property
    def _vectors(self) -> list[Direction]:
        means = [self.mean] if isinstance(self.mean, Direction) else []
        return [self.direction, *means]


@checked
def affine_edit(
    activations: Activations,
    hook_name: str,
    *,
    direction: Direction | None = None,
    towards: float = 0.0,
    strength: Strength = 1.0,
    scope: Scope | slice = everywhere,
) -> AffineEdit:
    """Make an :class:`AffineEdit` towards the mean of a contrast set's negative class.

    Args:
        activations: Of a contrast set; vectors or moments.
        hook_name: Where to act; it was captured there.
        direction: ``v``, of that hook point; by default the mean difference of the activations.
        towards: ``t``; 0 takes the property away, 1 brings it about.
        strength: α, the share of the way.
        scope: Which tokens.

    Raises:
        HookNameError: For a hook point that was not captured.
        DataError: For texts without classes.
        MismatchError: For a direction of another hook point.
    """
    means = negative_mean(activations)
    if direction is None:
        direction = mean_difference(activations)[hook_name]
    return AffineEdit(direction, means[hook_name], towards, strength, scope=scope)
