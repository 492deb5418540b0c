"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._across_layers import AcrossLayers, across_layers
from ._bisection import RowMask as RowMask, narrowed as narrowed
from ._drift import Drift, drift
from ._film_prompts import DOMAINS, PHRASINGS, RESISTING
from ._generalization import Generalization, generalization
from ._perturbation import Perturbations, smallest_perturbation
from ._prompt_metric import Answers as Answers, PromptMetric as PromptMetric, each_of as each_of
from ._transfer import ActivationMap, fit_map, transfer

__all__ = [
    "DOMAINS",
    "PHRASINGS",
    "RESISTING",
    "AcrossLayers",
    "ActivationMap",
    "Drift",
    "Generalization",
    "Perturbations",
    "across_layers",
    "drift",
    "fit_map",
    "generalization",
    "smallest_perturbation",
    "transfer",
]
