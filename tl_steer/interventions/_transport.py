"""Transport: h' = (1 − λ)h + λ(ωh + β), unit by unit."""

from dataclasses import dataclass, field

from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import TransportMap
from tl_steer.interventions._protocol import Edit, per_site
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class ApplyTransport:
    """Carry each unit towards the other class's distribution: ``h' = (1 − λ)h + λ(ωh + β)``.

    Units outside the support that the map was fitted on stay as they are (Rodriguez et al. 2024,
    https://arxiv.org/abs/2410.23054).

    Raises:
        NonFiniteError: For a strength that is NaN or infinite.
    """

    map: TransportMap
    """As from ``linear_transport`` or ``incremental_transport``."""

    strength: Strength = 1.0
    """λ: 0 does nothing, 1 goes all the way; the paper stays between the two."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        as_strength(self.strength, hook_name=self.hook_name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.map.hook_name

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + λ((ω − 1)h + β)`` inside the support.

        What is added is formed in float32 and rounded once, to the activations' dtype.
        """
        fitted = self.map
        on_device = OnDevice(fitted.slope - 1, fitted.intercept, fitted.low, fitted.high)

        def transport(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            slope, intercept, low, high = on_device(acts)
            values = acts.float()
            added = per_site(strength, acts) * (slope * values + intercept)
            outside = (values < low) | (values > high)
            return acts + added.masked_fill(outside, 0).to(acts.dtype)

        return transport
