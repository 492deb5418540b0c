"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._bipo import bipo, preference_margins
from ._continuations import (
    Batches as Batches,
    batches as batches,
    mean_norm as mean_norm,
    padded as padded,
)
from ._fit import Fit
from ._frozen import frozen as frozen, reading as reading, wide as wide
from ._incremental_transport import incremental_transport
from ._melbo import MelboResult, melbo
from ._prompt_pair import activation_addition, add_at_front
from ._reft import reft_r1
from ._sae_features import SaeFeatures, sae_features
from ._training import TrainedDirection
from ._training_curve import training_curve

__all__ = [
    "Fit",
    "MelboResult",
    "SaeFeatures",
    "TrainedDirection",
    "activation_addition",
    "add_at_front",
    "bipo",
    "incremental_transport",
    "melbo",
    "preference_margins",
    "reft_r1",
    "sae_features",
    "training_curve",
]
