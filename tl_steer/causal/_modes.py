"""What is exchanged for what: which texts run, and what is put into them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.data import ContrastSet
from tl_steer.directions import require_finite
from tl_steer.errors import DataError, HookNameError, MismatchError
from tl_steer.lens.hook_names import site_shape
from tl_steer.lens.protocol import SteerableModel, model_info

Points = Mapping[str, Tensor]
"""One vector a hook name, in the shape of its site."""


@dataclass(frozen=True, eq=False)
class Exchange:
    """Texts that run, and what is put in place of their own activations."""

    base: tuple[str, ...]
    """The texts that run."""

    source: tuple[str, ...] | None
    """The text whose activations each of them is given; ``None`` where it is a point."""

    points: Points | None
    """What all of them are given instead."""

    other: tuple[str, ...]
    """Texts that show what the whole difference is, where there are no partners; may be empty."""


@runtime_checkable
class Mode(Protocol):
    """Decides which texts run and what is put into them."""

    def exchange(
        self, model: SteerableModel, contrast: ContrastSet, names: Sequence[str]
    ) -> Exchange:
        """Apply itself to a contrast."""
        ...


@checked
@dataclass(frozen=True, eq=False)
class Denoising:
    """Run the negative texts, and put in what the positive ones have there.

    What brings the property about: a site is found if it alone suffices.
    """

    means: Activations | None = None
    """Where the set is not paired, the positive class' mean is put in, of these activations."""

    def exchange(
        self, model: SteerableModel, contrast: ContrastSet, names: Sequence[str]
    ) -> Exchange:
        """Return the negative texts with the positive ones' activations."""
        sides = (contrast.negative, contrast.positive)
        return _between(model, contrast, names, sides, self.means, positive=True)


@checked
@dataclass(frozen=True, eq=False)
class Noising:
    """Run the positive texts, and put in what the negative ones have there.

    What the property rests on: a site is found if it is needed.
    """

    means: Activations | None = None
    """Where the set is not paired, the negative class' mean is put in, of these activations."""

    def exchange(
        self, model: SteerableModel, contrast: ContrastSet, names: Sequence[str]
    ) -> Exchange:
        """Return the positive texts with the negative ones' activations."""
        sides = (contrast.positive, contrast.negative)
        return _between(model, contrast, names, sides, self.means, positive=False)


@checked
@dataclass(frozen=True, eq=False)
class MeanAblation:
    """Run the positive texts, and put in the mean over all texts that were captured.

    It takes away what tells a text from others and leaves what they share.
    """

    activations: Activations
    """With classes or without; vectors or moments. With classes, all examples count alike."""

    def exchange(
        self, model: SteerableModel, contrast: ContrastSet, names: Sequence[str]
    ) -> Exchange:
        """Return the positive texts with the mean."""
        _require_fitting(model, self.activations, names)
        points = {name: _overall(self.activations, name) for name in names}
        return Exchange(contrast.positive, None, _shaped(model, points), ())


@checked
@dataclass(frozen=True)
class ZeroAblation:
    """Run the positive texts, and put in zeros.

    Zero is far from what a model has met, so that the damage is often more than the property.
    """

    def exchange(
        self, model: SteerableModel, contrast: ContrastSet, names: Sequence[str]
    ) -> Exchange:
        """Return the positive texts with zeros."""
        points = {name: torch.zeros(site_shape(model, name)) for name in names}
        return Exchange(contrast.positive, None, points, ())


def _between(
    model: SteerableModel,
    contrast: ContrastSet,
    names: Sequence[str],
    sides: tuple[tuple[str, ...], tuple[str, ...]],
    means: Activations | None,
    *,
    positive: bool,
) -> Exchange:
    base, source = sides
    if means is None:
        if not contrast.paired:
            raise DataError(
                "this contrast has no pairs, so no text has a partner whose activations it could "
                "be given. Give class means: acts = ts.capture(model, contrast, at=…), and "
                f"mode=ts.{'Denoising' if positive else 'Noising'}(means=acts); or a paired set."
            )
        return Exchange(base, source, None, ())
    _require_fitting(model, means, names)
    for name in names:
        if not means.counts(name)[0 if positive else 1]:
            which = "positive" if positive else "negative"
            raise DataError(f"{name}: there are no {which} examples to average.")
    points = {name: means.means(name)[0 if positive else 1] for name in names}
    return Exchange(base, None, _shaped(model, points), source)


def _overall(activations: Activations, name: str) -> Tensor:
    if activations.is_positive is None:
        return activations[name].flatten(1).double().mean(0)
    counts = activations.counts(name)
    # A class without examples has no mean, and no weight.
    parts = zip(counts, activations.means(name), strict=True)
    total: Tensor = sum(
        (count * mean for count, mean in parts if count), torch.zeros((), dtype=torch.float64)
    )
    return total / sum(counts)


def _shaped(model: SteerableModel, points: Points) -> Points:
    return {name: point.view(site_shape(model, name)) for name, point in points.items()}


def _require_fitting(model: SteerableModel, activations: Activations, names: Sequence[str]) -> None:
    differs = activations.model.difference(model_info(model))
    if differs:
        raise MismatchError(
            f"The activations whose means are put in are of another model ({differs}). Capture "
            "them on this one."
        )
    missing = [name for name in names if name not in activations.hook_names]
    if missing:
        raise HookNameError(
            f"{missing[0]}: these activations were not captured there, so there is no mean to put "
            "in. Capture them at the hook points to localize."
        )
    for name in names:
        require_finite(activations, name)
