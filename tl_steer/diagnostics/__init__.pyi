"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._confounds import confounds
from ._diagnosis import Diagnosis, diagnose
from ._figures import similarity_heatmap
from ._interference import Interference, interference
from ._projections import token_projections
from ._roc import roc_figure
from ._separation import separation
from ._similarity import between_estimators, between_layers
from ._unembedding import top_tokens
from ._verdict import Thresholds

__all__ = [
    "Diagnosis",
    "Interference",
    "Thresholds",
    "between_estimators",
    "between_layers",
    "confounds",
    "diagnose",
    "interference",
    "roc_figure",
    "separation",
    "similarity_heatmap",
    "token_projections",
    "top_tokens",
]
