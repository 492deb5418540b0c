"""Hold the projection on a direction at a target value: a controller over tokens."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import NotNegative, Positive, checked
from tl_steer.directions import Direction
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.parts import reads_of
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope, as_scope, generated, projection
from tl_steer.shapes import Acts, TokenStrengths
from tl_steer.strengths._projections import class_means_along
from tl_steer.strengths._requirements import require_same_place


@checked
@dataclass(frozen=True, eq=False)
class HoldProjection:
    """The strength that brings ``v̂ᵀh`` to a target value, or part of the way.

    With the error ``e = target − v̂ᵀh`` of each token before it is changed::

        α = (gain · e + integral · I) / ‖v‖          I = Σ e of the tokens before

    ``gain=1`` alone lands on the target exactly, at every token: what lies along ``v̂`` is then the
    same everywhere, as with a clamp. A smaller gain goes that part of the way. The integral adds
    what was lacking before: where the model keeps falling short by ``e``, the strength grows by
    ``integral · e / ‖v‖`` from token to token, until the text comes round or a cap is reached. Only
    generated tokens count in it, unless ``over`` says otherwise.

    A proportional-integral controller, over the tokens of a text; Nguyen et al. 2025
    (https://arxiv.org/abs/2510.04309) run one over the layers.

    An attention sink, as the first token of a text is one, lies far from any target, and would be
    changed beyond measure: leave it to ``scope=slice(1, None)`` or ``generated``, or set a cap.

    It is for adding this very direction, ``Add(v, HoldProjection(v, …))``, at the hook point where
    it was read, and one object serves one intervention, because it remembers its text's errors.

    Raises:
        NonFiniteError: For a zero direction, and for numbers that are NaN or infinite.
        SteerError: For a negative gain or cap.
    """

    direction: Direction
    """What is added, at the hook point where it was read."""

    target: float
    """The target for ``v̂ᵀh``, in activation units."""

    gain: NotNegative = field(default=1.0, kw_only=True)
    """Share of a token's own error that is made up for at once."""

    integral: NotNegative = field(default=0.0, kw_only=True)
    """Share of the summed error of the tokens before that is made up for; 0 for none."""

    windup: Positive | None = field(default=None, kw_only=True)
    """The sum ``I`` never leaves ``[−windup, windup]``, in activation units, at any token: what
    goes beyond is forgotten, so that the sum turns round as soon as the error does. ``None`` for no
    cap."""

    at_most: NotNegative | None = field(default=None, kw_only=True)
    """Cap on ``|α|``; ``None`` for none."""

    over: Scope | slice = field(default=generated, kw_only=True)
    """Which tokens' errors count in the sum."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        _ = self.direction.unit
        object.__setattr__(self, "over", as_scope(self.over))

    @classmethod
    def at_positive_mean(
        cls,
        direction: Direction,
        activations: Activations,
        *,
        gain: NotNegative = 1.0,
        integral: NotNegative = 0.0,
        windup: Positive | None = None,
        at_most: NotNegative | None = None,
        over: Scope | slice = generated,
    ) -> "HoldProjection":
        """Hold the projection where the mean of the positive texts has it: ``target = v̂ᵀμ₊``.

        Args:
            direction: Any that was read at a hook point of the activations.
            activations: Of a contrast set; vectors or moments.
            gain: As above, and so are the others.
            integral: Share of the summed error of the tokens before.
            windup: Cap on that sum.
            at_most: Cap on ``|α|``.
            over: Which tokens' errors count in the sum.

        Raises:
            DataError: For texts without classes.
            MismatchError: For activations of another model.
        """
        target, _ = class_means_along(direction, activations)
        return cls(
            direction,
            target,
            gain=gain,
            integral=integral,
            windup=windup,
            at_most=at_most,
            over=over,
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """What the scope of the sum reads."""
        return reads_of(self.over) if self.integral else ()

    def check_fits(self, model: SteerableModel, hook_name: str) -> None:
        """Refuse another model, and another hook point than that of the direction.

        Raises:
            MismatchError: Saying what differs.
        """
        require_same_place(self, self.direction.hook_name, hook_name)
        self.direction.check_fits(model, hook_name)

    @cached_property
    def _unit(self) -> OnDevice:
        return OnDevice(self.direction.unit.vector)

    @cached_property
    def _norm(self) -> float:
        return self.direction.norm

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Compute what each token lacks."""
        (unit,) = self._unit(acts)
        error = self.target - projection(acts, unit)
        wanted = self.gain * error
        if self.integral:
            wanted = wanted + self.integral * self._sum_before(error, context)
        strengths = wanted / self._norm
        if self.at_most is None:
            return strengths
        return strengths.clamp(-self.at_most, self.at_most)

    def _sum_before(self, error: TokenStrengths, context: Context) -> TokenStrengths:
        counted = context.real & context.mask(self.over)  # type: ignore[arg-type]
        steps = torch.where(counted, error, 0.0)
        start = context.recall(self)
        if start is None:
            start = torch.zeros_like(steps[:, 0])
        sums = sums_within(steps, start, math.inf if self.windup is None else self.windup)
        context.remember(self, sums[:, -1])
        return torch.cat([start[:, None], sums[:, :-1]], dim=1)


def sums_within(steps: TokenStrengths, start: Tensor, cap: float) -> TokenStrengths:
    """Add up steps, never leaving ``[−cap, cap]``: ``sₜ = clamp(sₜ₋₁ + xₜ, −cap, cap)``.

    One step maps ``s`` to ``clamp(s + a, low, high)``, and two of these in a row are one of the
    same kind, so that all sums come out in ``log₂(pos)`` rounds instead of one after the other
    (Hillis and Steele 1986).

    Args:
        steps: ``x``.
        start: ``s₀``, ``Float[Tensor, "batch"]``, within the cap.
        cap: Over 0; infinite for plain sums.
    """
    shift = steps
    low, high = torch.full_like(steps, -cap), torch.full_like(steps, cap)
    reach = 1
    while reach < steps.shape[1]:
        later = slice(reach, None)
        lows = torch.clamp(low[:, :-reach] + shift[:, later], low[:, later], high[:, later])
        highs = torch.clamp(high[:, :-reach] + shift[:, later], low[:, later], high[:, later])
        shifts = shift[:, :-reach] + shift[:, later]
        low = torch.cat([low[:, :reach], lows], dim=1)
        high = torch.cat([high[:, :reach], highs], dim=1)
        shift = torch.cat([shift[:, :reach], shifts], dim=1)
        reach *= 2
    return torch.clamp(start[:, None] + shift, low, high)
