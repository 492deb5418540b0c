"""What the first hour needs, and the rooms where the rest is; loaded when first used."""

from . import (
    activations as activations,
    causal as causal,
    controls as controls,
    data as data,
    diagnostics as diagnostics,
    directions as directions,
    dosing as dosing,
    errors as errors,
    experiments as experiments,
    generation as generation,
    interventions as interventions,
    judges as judges,
    lens as lens,
    metrics as metrics,
    notebook as notebook,
    people as people,
    reports as reports,
    robustness as robustness,
    scopes as scopes,
    statistics as statistics,
    steering as steering,
    strengths as strengths,
    tracing as tracing,
    trained as trained,
)
from .activations._activations import Activations
from .activations._capture import capture
from .activations._reads import LastToken, MeanOfTokens
from .causal._localize import localize
from .data._contrast import ContrastSet
from .data._packaged_model import packaged_model
from .data._reviews import imdb, rotten_tomatoes
from .diagnostics._diagnosis import diagnose
from .directions._direction import Direction
from .directions._directions import Directions
from .directions._leace import leace
from .directions._logistic_probe import logistic_probe
from .directions._mean_difference import mean_difference
from .directions._principal_component import principal_component
from .errors import SteerError
from .experiments._calibrate import calibrate
from .experiments._constraints import Constraints
from .experiments._study import study
from .experiments._sweep import sweep
from .generation._generate import compare, generate
from .generation._generations import Generations
from .generation._sampling import Sampling
from .interventions._ablate import Ablate
from .interventions._add import Add
from .interventions._custom import Custom
from .interventions._replace import Replace
from .judges._sentiment_judge import sentiment_judge
from .lens.loading import load_local
from .lens.paths import use_path
from .lens.tokens import Chat
from .metrics._side_effects import side_effects
from .reports._rendering import report_html
from .scopes._keywords import Keywords
from .scopes._positions import Positions, everywhere, generated, last_prompt_token, prompt
from .steering import Steering, steer
from .tracing._trace import trace
from .tracing._traced import Trace

__all__ = [
    "Ablate",
    "Activations",
    "Add",
    "Chat",
    "Constraints",
    "ContrastSet",
    "Custom",
    "Direction",
    "Directions",
    "Generations",
    "Keywords",
    "LastToken",
    "MeanOfTokens",
    "Positions",
    "Replace",
    "Sampling",
    "SteerError",
    "Steering",
    "Trace",
    "calibrate",
    "capture",
    "compare",
    "diagnose",
    "everywhere",
    "generate",
    "generated",
    "imdb",
    "last_prompt_token",
    "leace",
    "load_local",
    "localize",
    "logistic_probe",
    "mean_difference",
    "packaged_model",
    "principal_component",
    "prompt",
    "report_html",
    "rotten_tomatoes",
    "sentiment_judge",
    "side_effects",
    "steer",
    "study",
    "sweep",
    "trace",
    "use_path",
]
