"""The differences that a paired mean difference averages, and what a pair is."""

import torch

from tl_steer.activations import Activations
from tl_steer.arguments import checked
from tl_steer.errors import DataError
from tl_steer.shapes import Examples


@checked
def paired_differences(activations: Activations, hook_name: str) -> Examples:
    """Return ``h₊ − h₋`` of every pair, in the order of the contrast set.

    Their mean is the paired mean difference; the mean cosine between them tells how far the pairs
    agree on it (Braun et al. 2025, https://arxiv.org/abs/2505.22637).

    Args:
        activations: Of a paired contrast set; vectors.
        hook_name: One that was captured.

    Returns:
        ``Float[Tensor, "pair *site"]``, in activation units.

    Raises:
        DataError: For texts that are not paired, gave several vectors each, or of which only
            moments were kept.
        HookNameError: For a hook point that was not captured.
    """
    vectors = activations[hook_name]
    require_pairs(activations, hook_name)
    in_order = torch.argsort(activations.text_index[hook_name])
    positive = activations.classes(hook_name)[in_order]
    by_text = vectors[in_order]
    return by_text[positive] - by_text[~positive]


def require_pairs(activations: Activations, hook_name: str) -> None:
    """Refuse activations whose examples are not one for each text of a pair.

    Raises:
        DataError: Saying what they are instead.
    """
    if not activations.paired or activations.is_positive is None:
        raise DataError(
            "These texts are not paired. Capture a ContrastSet.pairs([(positive, negative), …]), "
            "or use an estimator that needs no pairs, such as mean_difference."
        )
    n_positive = int(activations.is_positive.sum())
    wanted = (n_positive, len(activations.is_positive) - n_positive)
    came = activations.counts(hook_name)
    if came != wanted or wanted[0] != wanted[1]:
        raise DataError(
            f"{hook_name}: pairs need one vector a text; got {came[0]} positive and {came[1]} "
            f"negative vectors of {wanted[0]} and {wanted[1]} texts. Capture with another read "
            f"than {activations.read}."
        )
