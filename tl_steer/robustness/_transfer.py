"""A direction of one model, moved to another, and the map that may be needed for it."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import Measured, Seed, checked
from tl_steer.directions import Direction
from tl_steer.errors import DataError, MismatchError, NonFiniteError, SteerError
from tl_steer.lens.hook_names import site_of, site_shape
from tl_steer.lens.places import Place, hook_name
from tl_steer.lens.protocol import ModelInfo, SteerableModel, model_info, require_steerable
from tl_steer.shapes import Vector

Matrix = Float[Tensor, "to from"]


@checked
@dataclass(frozen=True, eq=False)
class ActivationMap:
    """A linear map from one model's activations to another's; made by :func:`fit_map`."""

    matrix: Matrix = field(repr=False)
    """``M``, float32: a difference ``x`` of activations becomes ``M x``."""

    from_model: ModelInfo
    from_at: str
    to_model: ModelInfo
    to_at: str

    to_shape: tuple[int, ...]
    """Of one token's activation at ``to_at``."""

    to_scale: float
    """Mean norm of the activations at ``to_at``."""

    method: str

    r_squared: Measured
    """Share of the variance at ``to_at`` that is explained, on texts that were held out; NaN where
    none were. 0 is as good as the mean, and it may be negative."""

    def __call__(self, vector: Vector) -> Float[Tensor, "*site_there"]:
        """Map a direction; no offset, since directions are differences."""
        return (self.matrix @ vector.flatten()).view(self.to_shape)


@checked
def fit_map(
    acts_from: Activations,
    acts_to: Activations,
    *,
    from_at: str | None = None,
    to_at: str | None = None,
    orthogonal: bool = True,
    ridge: float = 0.1,
    held_out: float = 0.2,
    seed: Seed = 0,
) -> ActivationMap:
    """Fit a linear map between the activations of the same texts in two models.

    With centred activations ``X`` and ``Y``, a row a text, and widths ``d`` and ``e``::

        orthogonal       M = s Rᵀ,  R = argmin ‖X R − Y‖ with RᵀR = I,  s = tr(Rᵀ XᵀY) / ‖X‖²
        least squares    M = ((XᵀX + λ (‖X‖² / d) I)⁻¹ XᵀY)ᵀ

    The first only turns and scales (Schönemann 1966, https://doi.org/10.1007/BF02289451), so that
    it needs few texts and equal widths. The second may do anything, and with fewer texts than
    dimensions it fits them all: look at ``r_squared``, which is of texts that were held out.

    Args:
        acts_from: Of the model that the direction comes from; vectors, not moments.
        acts_to: Of the other one; the same texts in the same order, read in the same way. The same
            model at another hook point will do as well.
        from_at: Which hook point, where several were captured.
        to_at: Likewise.
        orthogonal: Whether to turn only; ``False`` for least squares.
        ridge: ``λ``, of least squares, 0 or more.
        held_out: Share of the texts that ``r_squared`` is measured on and that are not fitted to;
            0 fits to all.
        seed: Of the choice of these.

    Raises:
        HookNameError: For a hook point that was not captured.
        DataError: For moments only, other numbers of texts, or too few.
        MismatchError: For an orthogonal map between unequal widths.
        NonFiniteError: For activations that do not differ from text to text, or are not finite.
        SteerError: For numbers out of their range.
    """
    if not 0 <= ridge < float("inf") or not 0 <= held_out < 1:
        raise SteerError(
            f"ridge={ridge}, held_out={held_out}: expected a ridge of at least 0, and held_out "
            "from 0 to below 1."
        )
    source, target = _the_one(acts_from, from_at, "from_at"), _the_one(acts_to, to_at, "to_at")
    x, y = _same_texts(acts_from, source, acts_to, target)
    if orthogonal and x.shape[1] != y.shape[1]:
        raise MismatchError(
            f"{source} has {x.shape[1]} dimensions and {target} {y.shape[1]}, so no rotation maps "
            "one to the other. Use orthogonal=False."
        )
    order = np.random.default_rng(seed).permutation(len(x))
    n_held = round(held_out * len(x))
    held, fitted = order[:n_held], order[n_held:]
    if len(fitted) < 2:
        raise DataError(
            f"Only {len(fitted)} texts are left to fit a map to. Give more, ideally hundreds."
        )
    centre_x, centre_y = x[fitted].mean(0), y[fitted].mean(0)
    own, other = x[fitted] - centre_x, y[fitted] - centre_y
    if not (np.square(own).sum() > 0 and np.square(other).sum() > 0):
        raise NonFiniteError(f"{source}, {target}: the activations of all texts are the same.")
    matrix = _turned(own, other) if orthogonal else _least_squares(own, other, ridge)
    r_squared = float("nan")
    if n_held:
        wrong = (x[held] - centre_x) @ matrix.T - (y[held] - centre_y)
        r_squared = 1 - float(np.square(wrong).sum() / np.square(y[held] - centre_y).sum())
    name = "orthogonal map" if orthogonal else f"least-squares map (ridge {ridge:g})"
    return ActivationMap(
        torch.from_numpy(matrix).float(),
        acts_from.model,
        source,
        acts_to.model,
        target,
        acts_to.site_shapes[target],
        acts_to.norms[target],
        f"{name} of {len(fitted)} texts",
        r_squared,
    )


def _same_texts(
    acts_from: Activations, source: str, acts_to: Activations, target: str
) -> tuple[np.ndarray, np.ndarray]:
    x, y = _rows(acts_from, source), _rows(acts_to, target)
    if len(x) != len(y) or not torch.equal(
        acts_from.text_index[source], acts_to.text_index[target]
    ):
        raise DataError(
            f"Got {len(x)} and {len(y)} vectors of the texts at {source} and {target}. A map is "
            "fitted to the same texts in both models, one vector a text: capture both from one "
            "list."
        )
    return x, y


@checked
def transfer(
    direction: Direction,
    model: SteerableModel,
    *,
    at: Place | None = None,
    through: ActivationMap | None = None,
    scale: float | None = None,
) -> Direction:
    """Declare a direction of one model to be one of another, and say so in its provenance.

    Without a map, the numbers stay what they are: between a model and its fine-tuned relative, say,
    whose dimensions mean the same. Models that were trained apart have nothing in common but their
    width; there a map is needed.

    Args:
        direction: Of any model.
        model: The one that it is to be used on.
        at: The hook point there; by default that of the map, or the direction's own.
        through: A map that was fitted from the direction's hook point to that one.
        scale: Mean norm of the activations there, such as ``acts.norms[at]``. By default the
            map's; without a map the old one, and relative doses are those of the old model.

    Returns:
        A direction that fits the model.

    Raises:
        HookNameError: For a hook point that the model lacks.
        MismatchError: For another width, or a map that is not from the direction's hook point and
            model to this one.
        NonFiniteError: For a scale that is no norm.
    """
    require_steerable(model)
    info, origin = model_info(model), direction.provenance
    there = direction.hook_name if through is None else through.to_at
    name = hook_name(model, there if at is None else at, site=site_of(there))
    vector, norm, how = direction.vector, direction.scale, ""
    if through is not None:
        _require_fitting(through, direction, info, name)
        vector, norm, how = through(direction.vector), through.to_scale, f", by {through.method}"
    elif tuple(vector.shape) != site_shape(model, name):
        raise MismatchError(
            f"{name} of {info.name} has the shape {site_shape(model, name)}, and this direction "
            f"{tuple(vector.shape)}. Fit a map: through=fit_map(…, orthogonal=False)."
        )
    method = f"({origin.method}) moved from {direction.hook_name} of {origin.model.name}{how}"
    moved = Direction(
        vector,
        name,
        norm if scale is None else float(scale),
        replace(origin, model=info, method=method),
    )
    moved.check_fits(model)
    return moved


def _require_fitting(
    through: ActivationMap, direction: Direction, info: ModelInfo, name: str
) -> None:
    origin = direction.provenance.model
    differs = through.from_model.difference(origin)
    if differs or through.from_at != direction.hook_name:
        raise MismatchError(
            f"The map is from {through.from_at} of {through.from_model.name}, but the direction "
            f"was read at {direction.hook_name} of {origin.name} ({differs or 'the same model'})."
        )
    differs = through.to_model.difference(info)
    if differs or through.to_at != name:
        raise MismatchError(
            f"The map leads to {through.to_at} of {through.to_model.name}, but {name} of "
            f"{info.name} was asked for ({differs or 'the same model'})."
        )


def _turned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    turn, overlap = orthogonal_procrustes(x, y)
    matrix: np.ndarray = (overlap / np.square(x).sum()) * turn.T
    return matrix


def _least_squares(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    width = x.shape[1]
    added = np.sqrt(ridge * np.square(x).sum() / width) * np.eye(width)
    # As rows of its own, so that λ = 0 gives the solution of least norm.
    rows, wanted = np.vstack([x, added]), np.vstack([y, np.zeros((width, y.shape[1]))])
    solved: np.ndarray = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
    return solved


def _rows(acts: Activations, at: str) -> np.ndarray:
    found: np.ndarray = acts[at].flatten(1).double().numpy()
    return found


def _the_one(acts: Activations, at: str | None, argument: str) -> str:
    if at is None and len(acts.hook_names) != 1:
        raise DataError(
            f"{len(acts.hook_names)} hook points were captured. Choose one with {argument}=: "
            f"{', '.join(acts.hook_names[:6])}."
        )
    return acts.hook_names[0] if at is None else at
