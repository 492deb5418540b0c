"""Mean-centring: the mean of target texts minus the mean of background texts."""

from dataclasses import replace

import torch
from torch import Tensor

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.directions._directions import Directions
from tl_steer.directions._measured import measured
from tl_steer.directions._requirements import require_finite
from tl_steer.errors import DataError, HookNameError, MismatchError
from tl_steer.shapes import Vector

# Float32 keeps some seven digits, so that means nearer to each other differ by rounding.
_ROUNDING = 1e-6


@checked
def mean_centring(target: Activations, background: Activations) -> Directions:
    """Compute ``v = mean(target) − mean(background)`` at every hook point of the target.

    Mean-centring (Jorgensen et al. 2023, https://arxiv.org/abs/2312.03813): where nothing is the
    opposite of a property, texts as the model usually reads them stand in for it. Activations lie
    far from the origin, and what all texts share is taken off. One background serves many targets.

    Args:
        target: Of texts that have the property; of a contrast set, its positive texts.
        background: Of texts of all kinds, read from the same model in the same way; of a contrast
            set, the texts of both classes.

    Returns:
        One direction a hook point, from the background to the target; strength 1 moves the mean of
        the one onto the other. In the provenance, positive counts are those of the target and
        negative ones those of the background.

    Raises:
        MismatchError: For activations of two models, or read in two ways.
        HookNameError: For hook points at which the background was not captured.
        DataError: Where the two means are the same.
        NonFiniteError: For NaN or infinity.

    Warns:
        DominatedDirectionWarning: Where one dimension holds over half of a squared norm.
    """
    _require_alike(target, background)
    vectors, counts = {}, {}
    for name in target.hook_names:
        require_finite(target, name)
        require_finite(background, name)
        n_target, mean = _target(target, name)
        n_background, usual = _background(background, name)
        if not bool((mean - usual).norm() > _ROUNDING * mean.norm()):
            raise DataError(
                f"{name}: target and background have the same mean. Do the texts differ in the "
                "tokens that were read?"
            )
        vectors[name] = mean - usual
        counts[name] = (n_target, n_background)
    return measured(_counted(target, background, counts), vectors, "mean-centring")


def _target(activations: Activations, name: str) -> tuple[int, Vector]:
    if activations.is_positive is None:
        return _all(activations[name])
    return activations.counts(name)[0], activations.means(name)[0]


def _background(activations: Activations, name: str) -> tuple[int, Vector]:
    if not activations.kept_moments:
        return _all(activations[name])
    kept = activations.moments(name)
    both = kept.positive.merge(kept.negative)
    return both.count, both.mean


def _all(vectors: Tensor) -> tuple[int, Vector]:
    return len(vectors), vectors.flatten(1).double().mean(0)


def _require_alike(target: Activations, background: Activations) -> None:
    differs = target.model.difference(background.model)
    if differs:
        raise MismatchError(f"Target and background were read from two models ({differs}).")
    if target.read != background.read:
        raise MismatchError(
            f"The target was read by {target.read} and the background by {background.read}, so the "
            "direction would show how the reads differ. Capture both with the same read."
        )
    missing = [name for name in target.hook_names if name not in background.hook_names]
    if missing:
        raise HookNameError(
            f"The background was not captured at {', '.join(missing)}. Capture it with the "
            "target's at=."
        )


def _counted(
    target: Activations, background: Activations, counts: dict[str, tuple[int, int]]
) -> Activations:
    """Stand in for activations of target against background, without copying either."""
    n_target, n_background = zip(*counts.values(), strict=True)
    most = torch.tensor([True] * max(n_target) + [False] * max(n_background))
    return replace(
        target,
        vectors={},
        kept_moments={},
        is_positive=most,
        text_index={
            name: torch.cat([torch.arange(n), max(n_target) + torch.arange(m)])
            for name, (n, m) in counts.items()
        },
        data=f"{target.data or 'texts'} against {background.data or 'texts'}",
    )
