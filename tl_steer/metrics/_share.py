"""How sure a share is that was counted."""

from scipy import stats

from tl_steer.errors import DataError
from tl_steer.statistics import Interval


def share_interval(count: int, of: int, *, confidence: float = 0.95) -> Interval:
    """A share and its Wilson interval.

    A bootstrap cannot tell how sure a share of nothing or of everything is: none of 16 might still
    be as much as 19 %. Wilson's interval (1927, https://doi.org/10.2307/2276774) says so.

    Args:
        count: How many had the property.
        of: How many there were, each independent of the others.
        confidence: Share of such intervals that hold the truth; between 0 and 1.

    Raises:
        DataError: For none, a count beyond them, or a confidence that cannot be.
    """
    if not 0 <= count <= of or of < 1 or not 0 < confidence < 1:
        raise DataError(
            f"Got {count} of {of} with confidence={confidence}. Expected at least one, and a "
            "confidence between 0 and 1."
        )
    found = stats.binomtest(count, of).proportion_ci(confidence, method="wilson")
    # Rounding puts an end beyond the share where that is 0 or 1.
    low, high = min(float(found.low), count / of), max(float(found.high), count / of)
    return Interval(count / of, low, high, confidence)
