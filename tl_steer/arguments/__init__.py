"""What may be given to a public function: one decorator, which reads the annotations.

``@checked`` stands over every public function and class. What came is made what the annotation
says where nothing is lost by it (a numpy integer an ``int``, a pandas series of texts a list), and
is refused in a sentence where it does not fit, before the function begins.
"""

from tl_steer.arguments.checked import checked
from tl_steer.arguments.frames import require_columns
from tl_steer.arguments.kinds import Words, means
from tl_steer.arguments.ranges import (
    Confidence,
    Count,
    Index,
    Measured,
    NotNegative,
    Positive,
    Range,
    Seed,
    Share,
)
from tl_steer.arguments.words import came

__all__ = [
    "Confidence",
    "Count",
    "Index",
    "Measured",
    "NotNegative",
    "Positive",
    "Range",
    "Seed",
    "Share",
    "Words",
    "came",
    "checked",
    "means",
    "require_columns",
]
