"""Replacement: h' = h + α(s − h)."""

from dataclasses import dataclass, field

from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.interventions._projection import flat, like, place_of
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Place
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class Replace:
    """Put a stored activation in a token's place: ``h' = h + α(s − h)``.

    With the mean over ordinary texts this is mean ablation; with the mean of a class, it moves the
    whole token onto the class (Wang et al. 2022, https://arxiv.org/abs/2211.00593, replace what
    heads write by their means). In the residual stream this leaves little of the text; outputs of
    single blocks and heads tolerate it better.

    Raises:
        NonFiniteError: For a strength that is NaN or infinite.
    """

    stored: Direction
    """``s``, as from ``positive_mean`` or ``negative_mean``; any vector of the hook point, also the
    zero vector (zero ablation)."""

    strength: Strength = 1.0
    """α, the share of the way: 1 for all of it, 0 for none."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    at: Place | None = field(default=None, kw_only=True)
    """The hook point; by default where the activation was read. A number means a layer, at the
    same site."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = place_of([self.stored], self.at)
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return place_of([self.stored], self.at)

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + α(s − h)``, in float32 or better, rounded once."""
        on_device = OnDevice(self.stored.vector.flatten())

        def put(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (stored,) = on_device(acts)
            # In this form, what is stored comes out exactly where α = 1.
            share = strength[..., None]
            return like((1 - share) * flat(acts) + share * stored, acts)

        return put
