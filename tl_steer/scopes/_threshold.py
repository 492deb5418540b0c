"""Thresholds of conditions, from texts whose class is known."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_curve
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import Range, checked
from tl_steer.directions import Direction
from tl_steer.errors import DataError, MismatchError, NonFiniteError
from tl_steer.scopes._conditions import Condition, CosineAbove, ProjectionAbove


@checked
@dataclass(frozen=True, eq=False)
class Threshold:
    """A threshold, and how often a condition fires at it."""

    condition: Condition
    """With this threshold, ready to be a scope."""

    hits: float
    """Share of the positive examples at which it fires, of those it was fitted on."""

    false_fires: float
    """Share of the negative ones at which it fires; not over what was asked for."""

    curve: pd.DataFrame
    """``threshold``, ``false_fires`` and ``hits``, a row for each possible threshold from the
    highest down; the first fires nowhere."""

    @property
    def value(self) -> float:
        """In the condition's own unit: a cosine, or a projection in activation units."""
        return self.condition.above

    def rates(self, held_out: Activations) -> tuple[float, float]:
        """Return hits and false fires on examples that it was not fitted on.

        Raises:
            HookNameError, MismatchError, DataError: As :func:`fit_threshold`.
        """
        scores, positive = _scored(self.condition, held_out)
        fires = scores > self.value
        return float(fires[positive].mean()), float(fires[~positive].mean())


@checked
def fit_threshold(
    activations: Activations,
    direction: Direction,
    *,
    false_fires: Annotated[
        float, Range("from 0 to under 1, such as 0.05", least=0, under=1)
    ] = 0.05,
    condition: type[CosineAbove] | type[ProjectionAbove] = ProjectionAbove,
) -> Threshold:
    """Find the lowest threshold at which few enough of the negative examples fire.

    Read texts as the condition will: ``MeanOfTokens()`` for ``PerPrompt(condition)``,
    ``LastToken()`` for ``PerPrompt(condition, last=True)``, ``EveryToken()`` for one that is asked
    token by token; and at best other texts than the direction was computed from.

    Args:
        activations: Of texts with classes, at the direction's hook point.
        direction: What the condition looks along.
        false_fires: The largest share of negative examples that may fire. Between 0 and 1.
        condition: What is compared: ``ProjectionAbove`` or ``CosineAbove``.

    Returns:
        The threshold, half way between two neighbouring scores, with the whole ROC curve.

    Raises:
        SteerError: For a share that is none.
        HookNameError: When the direction's hook point was not captured.
        MismatchError: For a direction of another model or width.
        DataError: For texts without classes, or of one class only; for moments.
        NonFiniteError: For NaN or infinity among the activations.
    """
    scores, positive = _scored(condition(direction, above=0.0), activations)
    false, hits, at_least = roc_curve(positive, scores, drop_intermediate=False)
    chosen = int(np.flatnonzero(false <= false_fires)[-1])
    # The curve says "at least"; a condition fires above: half way down to the next score is both.
    below = at_least[min(chosen + 1, len(at_least) - 1)]
    if chosen == 0:
        value = float(below)
    elif chosen == len(at_least) - 1:
        value = float(np.nextafter(below, -np.inf))
    else:
        value = float((at_least[chosen] + below) / 2)
    curve = pd.DataFrame({"threshold": at_least, "false_fires": false, "hits": hits})
    return Threshold(
        condition(direction, above=value), float(hits[chosen]), float(false[chosen]), curve
    )


def _scored(condition: Condition, activations: Activations) -> tuple[np.ndarray, np.ndarray]:
    direction = condition.direction
    name = direction.hook_name
    vectors: Tensor = activations[name]
    differs = direction.provenance.model.difference(activations.model)
    if differs or vectors.shape[1:] != direction.vector.shape:
        widths = f"{tuple(direction.vector.shape)} numbers, not {tuple(vectors.shape[1:])}"
        raise MismatchError(
            f"{name}: the direction and the activations are of different models "
            f"({differs or widths}). Capture the texts on the direction's own model."
        )
    positive = activations.classes(name).numpy()
    if positive.all() or not positive.any():
        raise DataError(
            f"{name}: a threshold needs examples of both classes, got {int(positive.sum())} "
            f"positive and {int((~positive).sum())} negative."
        )
    if not bool(torch.isfinite(vectors).all()):
        raise NonFiniteError(f"{name}: the activations hold NaN or infinity.")
    return condition.score(vectors[:, None])[:, 0].double().numpy(), positive
