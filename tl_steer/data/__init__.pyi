"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._cache import build_once as build_once, cache_dir as cache_dir
from ._checks import check
from ._contrast import ContrastSet
from ._conversations import conversations, last_response as last_response
from ._data_cards import DATA_CARDS, DataCard
from ._own_sets import (
    english_french,
    formal_informal,
    medical_everyday,
    neutral_background,
    optimism_pessimism,
    past_present,
    polite_rude,
    refusal_compliance,
)
from ._packaged_model import packaged_model, packaged_model_dir
from ._preferences import Preferences
from ._questions import MultipleChoice
from ._readers import frame_columns as frame_columns
from ._reviews import imdb, rotten_tomatoes
from ._texts import (
    cut as cut,
    plain_texts as plain_texts,
    short as short,
    split_pairs as split_pairs,
)
from ._wheels import PinnedWheel as PinnedWheel, unpack as unpack, wheel_folder as wheel_folder

__all__ = [
    "DATA_CARDS",
    "ContrastSet",
    "DataCard",
    "MultipleChoice",
    "Preferences",
    "check",
    "conversations",
    "english_french",
    "formal_informal",
    "imdb",
    "medical_everyday",
    "neutral_background",
    "optimism_pessimism",
    "packaged_model",
    "packaged_model_dir",
    "past_present",
    "polite_rude",
    "refusal_compliance",
    "rotten_tomatoes",
]
