"""Semantic adaptation: less strength where the text already has the property."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.activations import Activations, norms_of
from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.errors import DataError, MismatchError, SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.parts import reads_of
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Positions, Scope, as_scope, projection
from tl_steer.shapes import Acts, TokenStrengths
from tl_steer.strengths._multiply import Multiply
from tl_steer.strengths._projections import class_means_along
from tl_steer.strengths._strength import Strength, chosen_rows

_NOT_THE_FIRST = Positions(1)


@checked
@dataclass(frozen=True, eq=False)
class ProbeGated:
    """A strength that a probe on the text so far turns down.

    The probe reads ``v̂ᵀh`` of each token, before anything is changed. With ``p`` its mean over the
    tokens of the text up to and including this one::

        α = strength · clamp((p − none_at) / (full_at − none_at), 0, 1)

    Where no token counts yet, the strength is full. :meth:`fit` takes the two ends from the means
    of two classes, so that a text that reads like the mean of the positive texts gets nothing.

    The probe may sit at an earlier hook point than the intervention, or at the same one, but never
    behind anything that is changed, so that it sees the text and not its own effect.

    Raises:
        NonFiniteError: For a zero probe, or numbers that are NaN or infinite.
        SteerError: For ends that are the same, or a wrong strength.
    """

    strength: Strength
    """α of a text that needs all of it: a number, one for each row, or a function."""

    probe: Direction
    """What is read, where it was read."""

    full_at: float = field(kw_only=True)
    """Mean projection at which, and beyond which, the strength is full; in activation units."""

    none_at: float = field(kw_only=True)
    """Mean projection at which, and beyond which, there is none."""

    over: Scope | slice = field(default=_NOT_THE_FIRST, kw_only=True)
    """Which tokens the mean is over: by default all but the first one, which is an attention sink.
    ``generated`` for what the model wrote itself."""

    massive: float | None = field(default=10.0, kw_only=True)
    """Tokens whose norm is over so many times ``probe.scale`` do not count, as in a capture;
    ``None`` counts them."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        _ = self.probe.unit, self._product
        if self.full_at == self.none_at:
            raise SteerError(
                f"ProbeGated: full_at and none_at are both {self.full_at}. Give two different "
                "numbers."
            )
        if self.massive is not None and not self.massive > 1:
            raise SteerError(
                f"ProbeGated: expected massive over 1, in mean norms, or None; got {self.massive}."
            )
        object.__setattr__(self, "over", as_scope(self.over))

    @classmethod
    def fit(
        cls,
        strength: Strength,
        direction: Direction,
        activations: Activations,
        *,
        towards_negative: bool = False,
        over: Scope | slice = _NOT_THE_FIRST,
        massive: float | None = 10.0,
    ) -> "ProbeGated":
        """Take both ends from class means: full strength at ``v̂ᵀμ₋``, none at ``v̂ᵀμ₊``.

        Args:
            strength: α of a text that needs all of it.
            direction: The probe; any that was read at a hook point of the activations.
            activations: Of a contrast set; vectors or moments. Averages over tokens fit best.
            towards_negative: The other way round, for steering that makes texts negative.
            over: Which tokens count.
            massive: Tokens of how many times the mean norm do not count.

        Raises:
            DataError: For texts without classes, or classes that the probe does not tell apart.
            MismatchError: For activations of another model.
            HookNameError: When the hook point of the probe was not captured.
        """
        positive, negative = class_means_along(direction, activations)
        if positive == negative:
            raise DataError(
                f"{direction.hook_name}: both classes have their mean at {positive:.3g} along the "
                "probe, so it cannot tell them apart."
            )
        full_at, none_at = (positive, negative) if towards_negative else (negative, positive)
        return cls(
            strength, direction, full_at=full_at, none_at=none_at, over=over, massive=massive
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Where the probe reads, and what else is read."""
        return tuple(dict.fromkeys((self.probe.hook_name, *reads_of(self._product, self.over))))

    @property
    def n_rows(self) -> int | None:
        """How many rows the strength is made for; ``None`` when it serves any batch."""
        return self._product.n_rows

    def rows(self, index: Sequence[int]) -> "ProbeGated":
        """Keep the strength of some rows, in the order asked for."""
        return replace(self, strength=chosen_rows(self.strength, index))

    def check_fits(self, model: SteerableModel, hook_name: str) -> None:
        """Refuse a model that the probe was not read from.

        Raises:
            MismatchError: Saying what differs.
        """
        self.probe.check_fits(model)
        if self.massive is not None and self.probe.scale == 0:
            raise MismatchError(
                f"{self.probe.hook_name}: the probe does not know the mean norm of its "
                "activations, so massive ones cannot be told. Use massive=None."
            )

    @cached_property
    def _product(self) -> Multiply:
        return Multiply(self.strength)

    @cached_property
    def _unit(self) -> OnDevice:
        return OnDevice(self.probe.unit.vector)

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Turn the strength down by what the text so far reads like."""
        total, count = self._sums(context).unbind(-1)
        share = (total / count.clamp(min=1) - self.none_at) / (self.full_at - self.none_at)
        needed = torch.where(count > 0, share.clamp(0, 1), 1.0)
        return self._product(acts, context) * needed

    def _sums(self, context: Context) -> Float[Tensor, "batch pos 2"]:
        """Of the projections of the tokens that count, up to each token, and of their number."""
        read = context.read(self.probe.hook_name)
        (unit,) = self._unit(read)
        counted = context.real & context.mask(self.over)  # type: ignore[arg-type]
        if self.massive is not None:
            counted = counted & (norms_of(read) <= self.massive * self.probe.scale)
        projections = torch.where(counted, projection(read, unit), 0.0)
        return context.running_sum(self, torch.stack([projections, counted.float()], dim=-1))
