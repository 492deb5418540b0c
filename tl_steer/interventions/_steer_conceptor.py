"""Conceptor steering: h' = h + α(βCh − h)."""

from dataclasses import dataclass, field

from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.directions import Conceptor
from tl_steer.interventions._projection import exact, flat, like, require_finite
from tl_steer.interventions._protocol import Edit
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength


@checked
@dataclass(frozen=True, eq=False)
class ApplyConceptor:
    """Project softly onto where a class's activations lie: ``h' = h + α(βCh − h)``.

    With α = 1, the conceptor steering ``βCh`` of Postmus and Abreu (2024,
    https://arxiv.org/abs/2410.16314). It keeps what the class has and removes what
    it lacks; ``ApplyConceptor(~C)`` removes what the class has.

    Raises:
        NonFiniteError: For a ``beta`` or strength that is NaN or infinite.
    """

    conceptor: Conceptor
    """``C``, as from ``conceptors``, or a combination of several."""

    strength: Strength = 1.0
    """α, the share of the way: 1 for all of it, 0 for none."""

    beta: float = field(default=1.0, kw_only=True)
    """β, to make up for the lost norm; ``KeepNorm`` does so token by token."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        require_finite(self.hook_name, beta=self.beta)
        as_strength(self.strength, hook_name=self.hook_name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return self.conceptor.hook_name

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + α(βCh − h)``, in float32 or better, rounded once."""
        on_device = OnDevice(self.conceptor.matrix.float())

        def apply(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            (matrix,) = on_device(acts)
            values = flat(acts)
            projected = (exact(values) @ exact(matrix)).to(values.dtype)
            share = strength[..., None]
            return like((1 - share) * values + share * self.beta * projected, acts)

        return apply
