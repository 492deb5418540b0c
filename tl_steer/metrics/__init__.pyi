"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._diversity import distinct_n, repetition
from ._likelihood_contrast import likelihood_contrast, likelihood_contrasts
from ._measure import measure
from ._multiple_choice import Accuracy, accuracy
from ._perplexity import log_probs as log_probs, perplexity
from ._relevance import relevance
from ._side_effects import SideEffects, neutral_kl, neutral_rows as neutral_rows, side_effects
from ._steerability import Steerability, steerability

__all__ = [
    "Accuracy",
    "SideEffects",
    "Steerability",
    "accuracy",
    "distinct_n",
    "likelihood_contrast",
    "likelihood_contrasts",
    "measure",
    "neutral_kl",
    "perplexity",
    "relevance",
    "repetition",
    "side_effects",
    "steerability",
]
