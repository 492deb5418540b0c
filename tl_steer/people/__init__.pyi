"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._agreement import Agreement
from ._question import Question
from ._ratings import Ratings
from ._read_back import read_ratings
from ._saving import SavedSheet
from ._sheet import RatingSheet, rating_sheet

__all__ = [
    "Agreement",
    "Question",
    "RatingSheet",
    "Ratings",
    "SavedSheet",
    "rating_sheet",
    "read_ratings",
]
