"""Direction: an immutable vector that knows where it was read."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tl_steer.arguments import Measured, Seed, checked, means
from tl_steer.directions._given import Parts, given
from tl_steer.directions._instead import instead_of_direction
from tl_steer.directions._provenance import Provenance
from tl_steer.directions._storage import load, save
from tl_steer.directions._vectors import at_rest, in_words, require_norm, without_rounding
from tl_steer.errors import FileError, HookNameError, MismatchError, NonFiniteError
from tl_steer.files.characters import HALF
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.hook_names import layer_of, site_shape
from tl_steer.lens.places import Place
from tl_steer.lens.protocol import UNKNOWN, SteerableModel, model_info
from tl_steer.shapes import Vector


@stored_as("Direction")
@checked
@means("a Direction", instead=instead_of_direction, error=MismatchError)
@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in activation space, in the activation's own units.

    Arithmetic gives new directions: ``2 * d``, ``d + e``, ``-d``. The vector stays in float32 on
    the CPU; when used, it takes the model's device and dtype.

    Raises:
        NonFiniteError: When the vector or the scale holds NaN or infinity.
    """

    vector: Vector
    """As measured; for a mean difference, from the mean of one class to that of the other."""

    hook_name: str
    """Where it was read, e.g. ``blocks.14.hook_mlp_out``."""

    scale: Measured
    """Mean norm of the activations at that hook point, in the same units; 0 if unknown."""

    provenance: Provenance

    def __post_init__(self) -> None:
        """Take a copy of the vector: float32, on the CPU, detached, finite."""
        object.__setattr__(self, "vector", at_rest(self.vector, self.hook_name))
        require_norm(self.scale, self.hook_name)
        if HALF.search(self.hook_name):
            raise HookNameError(
                f"{self.hook_name!r} contains half of a character (a lone surrogate)."
            )

    @classmethod
    def of(
        cls,
        vector: Any,
        *,
        at: Place,
        model: SteerableModel | None = None,
        scale: float | None = None,
        method: str = "given",
        source: str = "",
    ) -> "Direction":
        """Make a direction from a vector that you have.

        Args:
            vector: A torch tensor, a numpy array, a pandas series or a list, in the shape of its
                hook point: ``[d_model]`` in the residual stream and for block outputs, ``[n_heads,
                d_head]`` at ``attn.hook_z``, ``[d_mlp]`` at ``mlp.hook_post``.
            at: Its hook point: a name such as ``"blocks.15.hook_resid_post"``, or the number of a
                layer for the residual stream after it, from the end where it is negative.
            model: The model that it is for. Its shape is then checked, and other models refuse it.
                Without a model, it works on any that it fits.
            scale: Mean norm of the activations at the hook point, of which a dose is a share. If
                not given, one pass of ``model`` over 17 neutral sentences measures it; without a
                model, doses are refused.
            method: How the vector was made, for the provenance.
            source: Where it comes from: a paper, a file, an address.

        Raises:
            HookNameError: If it is not a hook point of the model.
            MismatchError: If its shape is not that of the hook point.
            NonFiniteError: For NaN or infinity.
            SteerError: If it is not a vector of real numbers.

        Example:
            >>> mine = ts.Direction.of(vector, at=15, model=model, source="my probe of May")
        """
        scales = {} if scale is None else {at: scale}
        (parts,) = given({at: vector}, model=model, scales=scales, method=method, source=source)
        return cls(*parts)

    @property
    def _parts(self) -> Parts:
        return self.vector, self.hook_name, self.scale, self.provenance

    @property
    def layer(self) -> int:
        """The block it was read in."""
        return layer_of(self.hook_name)

    @property
    def norm(self) -> float:
        """Euclidean norm of the vector."""
        return float(self.vector.norm())

    @property
    def unit(self) -> "Direction":
        """The same direction at norm 1.

        Raises:
            NonFiniteError: For the zero vector.
        """
        if self.norm == 0:
            raise NonFiniteError(f"{self.hook_name}: the zero vector has no direction.")
        return self._made(self.vector / self.norm, f"unit({self.provenance.method})")

    def __mul__(self, factor: float) -> "Direction":
        """Scale: ``2 * d``."""
        return self._made(self.vector * factor, f"{factor:g} * ({self.provenance.method})")

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Direction":
        """Scale down: ``d / 2``."""
        if divisor == 0:
            raise NonFiniteError(f"{self.hook_name}: cannot divide a direction by 0.")
        return self * (1 / divisor)

    def __neg__(self) -> "Direction":
        """Reverse the direction."""
        return self._made(-self.vector, f"-({self.provenance.method})")

    def __add__(self, other: "Direction") -> "Direction":
        """Add another direction of the same hook point.

        Raises:
            MismatchError: If the two were read at different hook points.
        """
        self._require_same_place(other)
        method = f"({self.provenance.method}) + ({other.provenance.method})"
        known = other if self.provenance.model == UNKNOWN else self
        total = without_rounding(self.vector + other.vector, self.norm + other.norm)
        return replace(known, scale=self.scale or other.scale)._made(total, method)

    def __sub__(self, other: "Direction") -> "Direction":
        """Subtract another direction of the same hook point."""
        return self + -other

    def cosine(self, other: "Direction") -> float:
        """Cosine of the angle to another direction of the same width, at any layer; in [-1, 1]."""
        self._require_same_width(other)
        mine, theirs = self.unit.vector.flatten(), other.unit.vector.flatten()
        return float((mine @ theirs).clamp(-1, 1))

    def orthogonal_to(self, *others: "Direction") -> "Direction":
        """Remove the part in the span of other directions: ``v - Q Qᵀ v``.

        ``Q`` is an orthonormal basis of that span, from a singular value decomposition in float64.
        Directions that are parallel up to float32's rounding count once.
        """
        for other in others:
            self._require_same_width(other)
        if not others:
            return self
        units = torch.stack([other.unit.vector.flatten() for other in others], dim=1).double()
        # A QR decomposition would make up a dimension for every parallel pair.
        left, sizes, _ = torch.linalg.svd(units, full_matrices=False)
        q = left[:, sizes > 1e-6 * sizes.max()]
        flat = self.vector.flatten().double()
        rest = (flat - q @ (q.T @ flat)).float().view_as(self.vector)
        rest = without_rounding(rest, self.norm)
        return self._made(rest, f"({self.provenance.method}) orthogonal to {len(others)} others")

    def dose(self, strength: float = 1.0) -> float:
        """Relative dose of an addition, ``‖αv‖ / ‖h‖``, with the mean norm at the hook point."""
        self._require_scale()
        return abs(strength) * self.norm / self.scale

    def strength_for(self, *, dose: float) -> float:
        """The strength α that gives an addition this relative dose, e.g. 0.1 of the mean norm."""
        if self.norm == 0:
            raise NonFiniteError(f"{self.hook_name}: the zero vector has no dose.")
        self._require_scale()
        return dose * self.scale / self.norm

    def random_like(self, seed: Seed) -> "Direction":
        """A random direction of the same norm at the same hook point, as a control."""
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(self.vector.shape, generator=generator)
        return self._made(noise * (self.norm / noise.norm()), f"random (seed {seed})")

    def adopt(self, model: SteerableModel) -> "Direction":
        """Allow this direction on another model of the same width, such as a fine-tuned relative.

        The provenance records it.
        """
        info = model_info(model)
        method = f"({self.provenance.method}) read from {self.provenance.model.name}"
        adopted = replace(self, provenance=replace(self.provenance, model=info, method=method))
        adopted.check_fits(model)
        return adopted

    def check_fits(self, model: SteerableModel, at: str | None = None) -> None:
        """Refuse a model or hook point that this direction was not made for.

        Raises:
            MismatchError: Saying what differs: name, depth, width, weight processing or shape.
        """
        differs = self.provenance.model.difference(model_info(model))
        if differs:
            raise MismatchError(
                f"{self.hook_name}: this direction was read from another model ({differs}). Read "
                "it again on this one, or call direction.adopt(model) if you know that it fits."
            )
        name = self.hook_name if at is None else at
        if tuple(self.vector.shape) != site_shape(model, name):
            raise MismatchError(
                f"{name} has {in_words(site_shape(model, name))} numbers a token; this direction "
                f"has {in_words(self.vector.shape)}."
            )

    def save(self, path: str | Path) -> Path:
        """Write this direction to a ``.safetensors`` file."""
        return save({self.hook_name: self._parts}, path)

    @classmethod
    def load(cls, path: str | Path) -> "Direction":
        """Read the direction of a file that holds one; nothing in the file is executed.

        Raises:
            StorageError: If the file cannot be read, is damaged, or holds several directions.
        """
        found = load(path, cls)
        if len(found) > 1:
            raise FileError(
                f"{path} holds {len(found)} directions. Load them all and take one: "
                f"Directions.load(…)[{next(iter(found))!r}]."
            )
        return next(iter(found.values()))

    def __repr__(self) -> str:
        """One line: what, where, how large, from what."""
        origin = self.provenance
        data = f" of {origin.data}" if origin.data else ""
        share = f" = {self.dose():.1%} of the activations" if self.scale else ""
        return (
            f"Direction({origin.method}{data} at {self.hook_name}, "
            f"{in_words(self.vector.shape)}, norm {self.norm:.3g}{share}, "
            f"{origin.model.name or 'any model'})"
        )

    def _require_scale(self) -> None:
        if self.scale == 0:
            raise NonFiniteError(
                f"{self.hook_name}: a dose is a share of the activations' norm, which this "
                "direction does not know. Use Direction.of(vector, at=…, model=model) to measure "
                "it, or Direction.of(vector, at=…, scale=…) to give it."
            )

    def _made(self, vector: Tensor, method: str) -> "Direction":
        return replace(self, vector=vector, provenance=self.provenance.as_result_of(method))

    def _require_same_width(self, other: "Direction") -> None:
        if self.vector.shape != other.vector.shape:
            raise MismatchError(
                f"{self.hook_name} has {in_words(self.vector.shape)} numbers and {other.hook_name} "
                f"{in_words(other.vector.shape)}; they must be equal."
            )

    def _require_same_place(self, other: "Direction") -> None:
        if self.hook_name != other.hook_name:
            raise MismatchError(
                f"Directions of {self.hook_name} and {other.hook_name} cannot be added. Put both "
                "into one Steering."
            )
        differs = self.provenance.model.difference(other.provenance.model)
        if differs:
            raise MismatchError(f"Directions of two models cannot be added ({differs}).")
        self._require_same_width(other)
