"""The first texts of each class, as if fewer had been captured."""

from tl_steer.activations._activations import Activations
from tl_steer.errors import DataError


def first_of_each(activations: Activations, n: int) -> Activations:
    """Keep the first ``n`` texts of each class, or all if there are fewer.

    Args:
        activations: With vectors, of texts of two classes.
        n: At least 1.

    Raises:
        DataError: For moments only, texts without classes, or no text.
    """
    positive = activations.is_positive
    if positive is None:
        raise DataError(
            "These texts have no classes. Capture a ContrastSet(positive=…, negative=…)."
        )
    return activations.subset(
        [text for each in (positive, ~positive) for text in each.nonzero()[:n, 0].tolist()]
    )
