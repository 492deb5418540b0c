"""Linear activation transport: each unit carried from one class's values to the other's."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._direction import Direction
from tl_steer.directions._measured import measured
from tl_steer.directions._requirements import require_contrast
from tl_steer.errors import MismatchError, NonFiniteError, SteerError
from tl_steer.frozen import FrozenDict
from tl_steer.lens.protocol import SteerableModel
from tl_steer.shapes import Vector

Source = Float[Tensor, "negative unit"]
Target = Float[Tensor, "positive unit"]
Units = Float[Tensor, " unit"]

_PARTS = ("slope", "intercept", "low", "high")
# A unit that varies by less than float32's rounding of its own size does not vary.
_CONSTANT = 1e-12
# Batches change activations in the last digits, which must not put the extremes outside.
_ROUNDING = 1e-5
# Units that are sorted at a time: many tokens in float64 take room.
_TOGETHER = 256


@checked
@dataclass(frozen=True, eq=False)
class TransportMap:
    """The map ``T(a) = ωa + β`` of every unit, inside the unit's support; for ``ApplyTransport``.

    Raises:
        MismatchError: For parts of different shapes, or a support that ends before it begins.
        NonFiniteError: For NaN, or an infinite slope or intercept.
    """

    direction: Direction
    """What the map does to the mean of the negative class, ``mean(T(a)) − mean(a)``: the mean
    difference, unless the support leaves some of that class out."""

    slope: Vector
    """``ω`` of each unit, not negative; no unit of measurement."""

    intercept: Vector
    """``β`` of each unit, in activation units."""

    low: Vector
    """Where each unit's support begins; ``-inf`` where it has no bound."""

    high: Vector
    """Where it ends, itself included."""

    def __post_init__(self) -> None:
        """Bring the tensors to rest: float32, on the CPU, detached, their own copies."""
        for part in _PARTS:
            tensor = getattr(self, part).detach().to("cpu", torch.float32, copy=True)
            if tensor.shape != self.direction.vector.shape:
                raise MismatchError(
                    f"{self.hook_name}: {part} has shape {tuple(tensor.shape)} and the direction "
                    f"{tuple(self.direction.vector.shape)}; they must be equal."
                )
            bounds = part in ("low", "high")
            if not bool((~tensor.isnan() if bounds else tensor.isfinite()).all()):
                raise NonFiniteError(f"{self.hook_name}: {part} holds NaN or infinity.")
            object.__setattr__(self, part, tensor)
        if bool((self.low > self.high).any()):
            raise MismatchError(f"{self.hook_name}: the support of a unit ends before it begins.")

    @property
    def hook_name(self) -> str:
        """Where it was fitted."""
        return self.direction.hook_name

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that this map was not fitted to, as ``Direction.check_fits`` does.

        Raises:
            MismatchError: Saying what differs: name, depth, width, weight processing or shape.
        """
        self.direction.check_fits(model)

    def __repr__(self) -> str:
        """One line: what, where, and how far from a mere shift."""
        middle = float(self.slope.median())
        return (
            f"TransportMap({self.direction.provenance.method} at {self.hook_name}, median slope "
            f"{middle:.3g}, mean shift {self.direction.norm:.3g})"
        )


@checked
def linear_transport(
    activations: Activations, *, support: tuple[float, float] | None = (0.0, 1.0)
) -> Mapping[str, TransportMap]:
    """Fit the affine map of every unit that carries the negative class to the positive one.

    With the values ``a`` of a unit in the negative class and ``b`` in the positive class, both
    sorted, and their means ``ā`` and ``b̄``::

        ω = Σ (a₍ᵢ₎ − ā)(b₍ᵢ₎ − b̄) / Σ (a₍ᵢ₎ − ā)²          β = b̄ − ω ā          T(a) = ωa + β

    Linear-AcT of Rodriguez et al. (2024, https://arxiv.org/abs/2410.23054). Sorted values are what
    one-dimensional optimal transport pairs, so that texts need not be pairs; ω is never negative.
    Classes of unequal size are paired by the share of the class that lies below, each text in as
    many parts as it takes, and the sums are over the parts. A unit that is constant in the negative
    class has no slope, and is shifted: ω = 1, ``β = b̄ − ā``. A mean difference is the case of
    ω = 1 everywhere. Units are mapped one by one; what they do together is not looked at.

    Args:
        activations: Of a contrast set; vectors. What is to be transported token by token is best
            read token by token (``EveryToken``): means over tokens vary far less than tokens do,
            and most tokens lie outside their support.
        support: Quantiles of the negative class between which a unit is transported; beyond them
            it is left as it is, which keeps massive activations as they are. The paper has
            ``(0, 1)``, from the smallest to the largest value, to take a property away, and no
            bounds (``None``) to bring one about.

    Returns:
        By hook name.

    Raises:
        SteerError: For quantiles that are none.
        DataError: For texts without classes, fewer than two of a class, moments without vectors, or
            activations that are all the same.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared mean shift.
    """
    require_support(support)
    require_contrast(activations, at_least=2, method="linear transport")
    parts = {name: _fit(activations, name, support) for name in activations.hook_names}
    moved = {name: shift for name, (shift, *_) in parts.items()}
    directions = measured(activations, moved, "linear transport")
    shapes = activations.site_shapes
    return FrozenDict(
        {
            name: TransportMap(directions[name], *(part.view(shapes[name]) for part in rest))
            for name, (_, *rest) in parts.items()
        }
    )


def require_support(support: tuple[float, float] | None) -> None:
    """Refuse what are no two quantiles.

    Raises:
        SteerError: Saying what would be.
    """
    if support is not None and not 0 <= support[0] < support[1] <= 1:
        raise SteerError(
            f"support={support}: expected two quantiles, the lower first, such as (0, 1)."
        )


def _fit(
    activations: Activations, name: str, support: tuple[float, float] | None
) -> tuple[Units, Units, Units, Units, Units]:
    both = activations.negative(name).flatten(1), activations.positive(name).flatten(1)
    pieces = []
    for first in range(0, both[0].shape[1], _TOGETHER):
        source, target = (each[:, first : first + _TOGETHER].double() for each in both)
        pieces.append(_fit_units(source, target, support))
    moved, slope, intercept, low, high = map(torch.cat, zip(*pieces, strict=True))
    return moved, slope, intercept, low, high


def _fit_units(
    source: Source, target: Target, support: tuple[float, float] | None
) -> tuple[Units, Units, Units, Units, Units]:
    slope, intercept = _affine(source, target)
    low, high = _bounds(source, support)
    inside = (source >= low) & (source <= high)
    moved = ((slope - 1) * source + intercept).masked_fill(~inside, 0)
    return moved.mean(0), slope, intercept, low, high


def _affine(source: Source, target: Target) -> tuple[Units, Units]:
    low, high = source.mean(0), target.mean(0)
    weights, of_source, of_target = _coupling(len(source), len(target))
    a = (source.sort(0).values - low)[of_source]
    b = (target.sort(0).values - high)[of_target]
    spread = torch.einsum("i,iu->u", weights, a * a)
    together = torch.einsum("i,iu->u", weights, a * b)
    constant = spread <= _CONSTANT * low.square()
    slope = torch.where(constant, 1.0, together / spread.masked_fill(constant, 1.0))
    # Of two rising sequences the sum is not negative, but its rounding may be.
    slope = slope.clamp(min=0)
    return slope, high - slope * low


def _coupling(
    n: int, m: int
) -> tuple[Float[Tensor, " part"], Int[Tensor, " part"], Int[Tensor, " part"]]:
    """Pair n sorted values with m sorted values: the weight of each part, and whose it is."""
    # In units of 1/(nm) of a class, so that ends which coincide do so exactly.
    of_both = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n])
    ends = torch.unique_consecutive(of_both.sort().values)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    return (ends - starts).double() / (n * m), starts // m, starts // n


def _bounds(source: Source, support: tuple[float, float] | None) -> tuple[Units, Units]:
    if support is None:
        nowhere = torch.full_like(source[0], torch.inf)
        return -nowhere, nowhere
    # Not torch.quantile, which refuses large samples; the nearest value that was seen serves.
    ordered, last = source.sort(0).values, len(source) - 1
    low, high = (ordered[round(quantile * last)] for quantile in support)
    margin = _ROUNDING * torch.maximum(low.abs(), high.abs())
    return low - margin, high + margin
