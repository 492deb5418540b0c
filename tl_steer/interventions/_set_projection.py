"""Set or clamp a projection: h' = h + α(c − v̂ᵀh)v̂."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor

from tl_steer.arguments import Measured, Words, checked
from tl_steer.directions import Direction
from tl_steer.errors import NonFiniteError, SteerError
from tl_steer.interventions._projection import along, flat, like, place_of, unit_of
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class SetProjection:
    """Set the coordinate along a direction to a value, or clamp it to an interval.

    With ``c`` the nearest to ``v̂ᵀh`` of all allowed values::

        h' = h + α(c − v̂ᵀh)v̂

    As Templeton et al. (2024, https://transformer-circuits.pub/2024/scaling-monosemanticity) clamp
    features of sparse autoencoders. Every token ends at the same value, so doing it twice changes
    nothing more. Tokens inside an interval stay bit-identical; with one infinite end, it is a cap
    or a floor.

    Raises:
        SteerError: For an interval that ends before it begins, and for what is neither a number nor
            an interval.
        NonFiniteError: For a value that is NaN or infinite (the far end of an interval may be
            infinite), a zero direction, and a strength that is NaN or infinite.
    """

    direction: Direction
    """Only its direction matters, not its length."""

    value: Annotated[
        float | tuple[Measured, Measured],
        Words("one number, or an interval (low, high)", "numbers or intervals"),
    ]
    """``c``, in activation units along ``v̂``, or an interval ``(low, high)``. For a class mean
    ``μ``, take ``v̂ᵀμ``; ``token_projections`` shows the values of texts."""

    strength: Strength = 1.0
    """α, the share of the way: 1 for all of it, 0 for none."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the direction was read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = place_of([self.direction], self.at)
        unit_of(self.direction)
        low, high = _interval(self.value, name)
        if math.isnan(low) or math.isnan(high) or low == math.inf or high == -math.inf:
            raise NonFiniteError(f"{name}: cannot set a projection to {self.value}.")
        if low > high:
            raise SteerError(f"{name}: the interval {self.value} ends before it begins.")
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def interval(self) -> tuple[float, float]:
        """The lowest and the highest value that does not change."""
        return _interval(self.value, self.hook_name)

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of([self.direction], self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + α(c − v̂ᵀh)v̂``, in float32 or better, rounded once."""
        on_device = OnDevice(unit_of(self.direction))
        low, high = self.interval

        def set_projection(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (unit,) = on_device(acts)
            values = flat(acts)
            now = along(values, unit)
            missing = now.clamp(low, high) - now
            return like(values + strength[..., None] * missing * unit, acts)

        return set_projection


def _interval(value: Any, name: str) -> tuple[float, float]:
    try:
        low, high = value if isinstance(value, tuple | list) else (value, value)
        return float(low), float(high)
    except (TypeError, ValueError) as error:
        raise SteerError(
            f"{name}: expected one number or an interval (low, high), got {value!r}."
        ) from error
