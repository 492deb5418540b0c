"""The in-distribution cap: as strong as can be without leaving where activations usually are."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from tl_steer.arguments import checked
from tl_steer.directions import Direction
from tl_steer.errors import MismatchError
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.protocol import SteerableModel, model_info
from tl_steer.shapes import Acts, TokenStrengths
from tl_steer.strengths._ellipsoid import Ellipsoid
from tl_steer.strengths._requirements import require_same_place


@checked
@dataclass(frozen=True, eq=False)
class WithinDistribution:
    """The largest strength that keeps a token inside an ellipsoid.

    In-distribution steering (Vogels et al. 2025, https://arxiv.org/abs/2510.13285). With
    ``u = A(h − μ)`` and ``w = Av``, the largest ``α`` between 0 and ``at_most`` with
    ``‖u + αw‖² ≤ r²`` is the larger root of a quadratic::

        α = (−u·w + √((u·w)² + ‖w‖² (r² − ‖u‖²))) / ‖w‖²,   no more than at_most

    A token that is outside already gets 0, and a direction that the ellipsoid does not see
    (``w = 0``) gets ``at_most`` wherever the token is inside.

    Raises:
        NonFiniteError: For a zero direction, or an ``at_most`` that is NaN or infinite.
        MismatchError: For a direction of another width than the ellipsoid.
    """

    direction: Direction
    """What is added."""

    ellipsoid: Ellipsoid
    """Fitted at the hook point where it is added."""

    at_most: float = 4.0
    """The strength of a token that is well inside; below zero, against the direction."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        _ = self.direction.unit
        if self.direction.vector.numel() != len(self.ellipsoid.mean):
            raise MismatchError(
                f"The direction has {self.direction.vector.numel()} numbers and the ellipsoid at "
                f"{self.ellipsoid.hook_name} {len(self.ellipsoid.mean)}; they must be equal."
            )

    def check_fits(self, model: SteerableModel, hook_name: str) -> None:
        """Refuse another model, and another hook point than that of the ellipsoid.

        Raises:
            MismatchError: Saying what differs.
        """
        require_same_place(self, self.ellipsoid.hook_name, hook_name)
        self.direction.check_fits(model, hook_name)
        differs = self.ellipsoid.model.difference(model_info(model))
        if differs:
            raise MismatchError(
                f"{hook_name}: the ellipsoid was fitted on another model ({differs}). Fit it on "
                "this one."
            )

    @cached_property
    def _tensors(self) -> OnDevice:
        whitening = self.ellipsoid.whitening
        step = whitening @ self.direction.vector.flatten().double()
        step = math.copysign(1.0, self.at_most) * step
        tensors = (whitening, self.ellipsoid.mean, step, step @ step)
        return OnDevice(*(tensor.float() for tensor in tensors))

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Solve the quadratic of each token."""
        whitening, mean, step, a = self._tensors(acts)
        # Along a sign, so that strengths in here are positive.
        whitened = (acts.flatten(2).float() - mean) @ whitening.T
        b = whitened @ step
        room = self.ellipsoid.limit - whitened.square().sum(-1)
        root = (b.square() + a * room.clamp(min=0)).sqrt()
        # Of the two ways to write the root, the one that takes no difference of like numbers.
        tiny = torch.finfo(a.dtype).tiny
        outward = room.clamp(min=0) / (b + root).clamp(min=tiny)
        inward = (root - b) / a.clamp(min=tiny)
        largest = torch.where(b > 0, outward, inward)
        size = abs(self.at_most)
        found = torch.where(a > 0, largest, size).clamp(max=size)
        return math.copysign(1.0, self.at_most) * torch.where(room >= 0, found, 0.0)
