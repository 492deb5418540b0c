"""What activations must be before anything is estimated from them."""

import torch

from tl_steer.activations import Activations
from tl_steer.arguments import Count, checked
from tl_steer.errors import DataError, NonFiniteError

# Squared: float32 keeps some seven digits, so that less than this is rounding.
_ROUNDING = 1e-12


@checked
def require_contrast(activations: Activations, *, at_least: Count, method: str) -> None:
    """Refuse activations that two classes cannot be told apart from.

    Args:
        activations: Vectors or moments.
        at_least: How many examples of each class the method needs.
        method: Name of the estimator, for the message.

    Raises:
        DataError: For texts without classes, too few examples of a class, or activations that are
            all the same.
        NonFiniteError: For NaN or infinity, with the hook point.
    """
    for name in activations.hook_names:
        positive, negative = activations.counts(name)
        if not positive or not negative:
            only = "positive" if positive else "negative"
            raise DataError(
                f"{name}: all {positive + negative} examples are {only}, and {method} compares two "
                "classes. Capture a ContrastSet(positive=…, negative=…)."
            )
        if min(positive, negative) < at_least:
            raise DataError(
                f"{name}: {method} needs {at_least} examples of each class, got {positive} "
                f"positive and {negative} negative."
            )
        require_finite(activations, name)
        _require_varying(activations, name)


def require_finite(activations: Activations, hook_name: str) -> None:
    """Refuse NaN and infinity at one hook point.

    Raises:
        NonFiniteError: Saying where.
    """
    if activations.kept_moments:
        kept = activations.moments(hook_name)
        # A number that is not finite makes its place on the scatter's diagonal NaN.
        read = torch.stack([side.scatter.diagonal() for side in (kept.positive, kept.negative)])
    else:
        read = activations[hook_name]
    if not bool(torch.isfinite(read).all()):
        raise NonFiniteError(
            f"{hook_name}: the activations hold NaN or infinity. If the model ran in float16, load "
            "it in bfloat16 or float32, and capture again."
        )


def _require_varying(activations: Activations, name: str) -> None:
    if activations.kept_moments:
        kept = activations.moments(name)
        both = kept.positive.merge(kept.negative)
        spread = both.scatter.trace()
        size = spread + both.count * both.mean.square().sum()
    else:
        flat = activations[name].flatten(1).double()
        spread, size = (flat - flat.mean(0)).square().sum(), flat.square().sum()
    if not bool(spread > _ROUNDING * size):
        raise DataError(
            f"{name}: the activations are the same for every text. Do the texts differ in the "
            "tokens that were read?"
        )
