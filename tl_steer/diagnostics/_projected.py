"""Projections of texts that a direction was not computed from."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from tl_steer.activations import Activations
from tl_steer.directions import Direction, require_finite
from tl_steer.errors import DataError, MismatchError


@dataclass(frozen=True, eq=False)
class Projected:
    """``h·v̂`` of every example at one hook point, in activation units."""

    values: Float[ndarray, " example"]

    is_positive: Bool[ndarray, " example"]

    unit_of: Int[ndarray, " example"]
    """What is drawn as a whole when examples are resampled: the text, or the pair of texts, that
    an example came from. Tokens of one text are no independent witnesses."""

    paired: bool

    @property
    def positive(self) -> Float[ndarray, " positive"]:
        """Of the texts that have the property."""
        found: Float[ndarray, " positive"] = self.values[self.is_positive]
        return found

    @property
    def negative(self) -> Float[ndarray, " negative"]:
        """Of the texts that lack it."""
        found: Float[ndarray, " negative"] = self.values[~self.is_positive]
        return found

    def resampled(self, times: int, random: np.random.Generator) -> Float[ndarray, "time example"]:
        """How often each example is drawn when as many texts are drawn with replacement.

        Each class keeps its number of texts; the two texts of a pair stay together.
        """
        weights = np.zeros((times, len(self.values)))
        strata = [np.ones_like(self.is_positive)] if self.paired else self._classes()
        for stratum in strata:
            units, place = np.unique(self.unit_of[stratum], return_inverse=True)
            drawn = random.multinomial(len(units), np.full(len(units), 1 / len(units)), times)
            weights[:, stratum] = drawn[:, place]
        return weights

    def _classes(self) -> list[Bool[ndarray, " example"]]:
        return [self.is_positive, ~self.is_positive]


def projected(direction: Direction, activations: Activations, *, at_least: int = 2) -> Projected:
    """Project what was read at a direction's hook point onto its unit vector.

    Args:
        direction: Of the same model.
        activations: Of a contrast set, with vectors.
        at_least: How many texts of each class are needed.

    Raises:
        HookNameError: When the direction's hook point was not captured.
        MismatchError: For activations of another model or width.
        DataError: For moments, texts without classes, or too few of a class.
        NonFiniteError: For NaN, infinity, or the zero direction.
    """
    name = direction.hook_name
    values = activations[name]
    differs = direction.provenance.model.difference(activations.model)
    if differs or values.shape[1:] != direction.vector.shape:
        widths = f"width is {tuple(direction.vector.shape)}, not {tuple(values.shape[1:])}"
        raise MismatchError(
            f"{name}: the direction and the activations are of different models "
            f"({differs or widths}). Capture the texts on the direction's own model."
        )
    is_positive = activations.classes(name).numpy()
    texts = activations.text_index[name].numpy()
    counts = [len(np.unique(texts[side])) for side in (is_positive, ~is_positive)]
    if min(counts) < at_least:
        raise DataError(
            f"{name}: expected at least {at_least} texts of each class, got {counts[0]} positive "
            f"and {counts[1]} negative. Capture more held-out texts."
        )
    require_finite(activations, name)
    flat = values.flatten(1).double() @ direction.unit.vector.flatten().double()
    return Projected(
        flat.numpy(), is_positive, _units(activations, texts, is_positive), activations.paired
    )


def _units(
    activations: Activations,
    texts: Int[ndarray, " example"],
    is_positive: Bool[ndarray, " example"],
) -> Int[ndarray, " example"]:
    if not activations.paired or activations.is_positive is None:
        return texts
    pairs = int(activations.is_positive.sum())
    return np.where(is_positive, texts, texts - pairs)
