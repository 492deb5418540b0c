"""Conditions: tokens at which an activation points along a direction.

A condition is a scope. It reads before anything is written there, so a gate does not see its own
effect, and :class:`~tl_steer.Steering` refuses a gate that would see that of another intervention.
"""

from dataclasses import dataclass, field
from functools import cached_property

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.errors import MismatchError, SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes._statistics import cosine, projection
from tl_steer.shapes import Acts, TokenMask, TokenStrengths


@stored_as("Similar")
@checked
@dataclass(frozen=True, eq=False)
class CosineAbove:
    """Tokens whose activation is similar to a direction: ``h·v̂ / ‖h‖ > above``.

    The gate of conditional activation steering (Lee et al. 2024,
    https://arxiv.org/abs/2409.05907), decided token by token. ``PerPrompt(CosineAbove(…))``
    decides once for a text, ``Latched(CosineAbove(…))`` from the first such token on. In the paper
    ``h`` is compared with its projection onto ``v``, which forgets the sign; here the sign counts.

    Raises:
        SteerError: If they are not a direction and a cosine.
        NonFiniteError: For the zero direction, or a threshold that is not finite.
    """

    direction: Direction

    above: float = field(kw_only=True)
    """Cosine, from -1 to 1; ``fit_threshold`` finds one for a rate of false fires."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        _ = self.direction.unit
        if abs(self.above) > 1 + _ROUNDING:
            raise SteerError(
                f"CosineAbove: expected above from -1 to 1, got {self.above:.4g}. To compare "
                "projections, in activation units, use ProjectionAbove(…)."
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """Where activations are read: where the direction was."""
        return (self.direction.hook_name,)

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that the direction was not read from."""
        self.direction.check_fits(model)

    @cached_property
    def _unit(self) -> OnDevice:
        return OnDevice(self.direction.unit.vector)

    def score(self, acts: Acts) -> TokenStrengths:
        """Cosine of activations with the direction."""
        return self._score(acts)

    def _score(self, acts: Acts) -> TokenStrengths:
        _require_same_shape(self.direction, acts)
        (unit,) = self._unit(acts)
        return cosine(acts, unit)

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return context.real & (self._score(context.read(self.direction.hook_name)) > self.above)


@stored_as("Projects")
@checked
@dataclass(frozen=True, eq=False)
class ProjectionAbove:
    """Tokens whose activation goes far along a direction: ``h·v̂ > above``.

    With the direction of a probe, such as ``logistic_probe`` fits, this is the probe's decision;
    the threshold takes the place of its intercept.

    Raises:
        SteerError: If they are not a direction and a number.
        NonFiniteError: For the zero direction, or a threshold that is not finite.
    """

    direction: Direction

    above: float = field(kw_only=True)
    """In activation units; ``fit_threshold`` finds one for a rate of false fires."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        _ = self.direction.unit

    @property
    def reads(self) -> tuple[str, ...]:
        """Where activations are read: where the direction was."""
        return (self.direction.hook_name,)

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that the direction was not read from."""
        self.direction.check_fits(model)

    @cached_property
    def _unit(self) -> OnDevice:
        return OnDevice(self.direction.unit.vector)

    def score(self, acts: Acts) -> TokenStrengths:
        """Projection of activations onto the direction, in activation units."""
        return self._score(acts)

    def _score(self, acts: Acts) -> TokenStrengths:
        _require_same_shape(self.direction, acts)
        (unit,) = self._unit(acts)
        return projection(acts, unit)

    def __call__(self, context: Context) -> TokenMask:
        """Mark the tokens of this pass."""
        return context.real & (self._score(context.read(self.direction.hook_name)) > self.above)


Condition = CosineAbove | ProjectionAbove


# Fitted thresholds lie between cosines, which are rounded.
_ROUNDING = 1e-3


def _require_same_shape(direction: Direction, acts: Acts) -> None:
    if acts.shape[2:] != direction.vector.shape:
        raise MismatchError(
            f"{direction.hook_name} has shape {tuple(acts.shape[2:])} a token, the condition's "
            f"direction {tuple(direction.vector.shape)}. Is it of another model?"
        )
