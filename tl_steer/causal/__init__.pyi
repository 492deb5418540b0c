"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._activation_patching import activation_patching
from ._attribution_patching import attribution_patching
from ._causal_figures import head_heatmap, layer_effects, position_heatmap
from ._direct_effect import direct_effect
from ._experiment import Experiment as Experiment
from ._few_shot import FewShot, few_shot
from ._function_vectors import function_vector, head_effects
from ._localization import Localization
from ._localize import localize
from ._metrics import (
    Divergence,
    LogitDifference,
    LogitMetric as LogitMetric,
    LogProbability,
    Metric,
    ProbeScore,
    measure_of as measure_of,
)
from ._modes import Denoising, MeanAblation, Noising, ZeroAblation
from ._path_effects import PathEffects, path_figure
from ._positions import AllPositions, AtPosition, EachPosition
from ._running import run as run, values as values
from ._sites import Site
from ._steering_at import steering_at
from ._verify import AttributionFailsWarning, Verification, attribution_scatter, verify

__all__ = [
    "AllPositions",
    "AtPosition",
    "AttributionFailsWarning",
    "Denoising",
    "Divergence",
    "EachPosition",
    "FewShot",
    "Localization",
    "LogProbability",
    "LogitDifference",
    "MeanAblation",
    "Metric",
    "Noising",
    "PathEffects",
    "ProbeScore",
    "Site",
    "Verification",
    "ZeroAblation",
    "activation_patching",
    "attribution_patching",
    "attribution_scatter",
    "direct_effect",
    "few_shot",
    "function_vector",
    "head_effects",
    "head_heatmap",
    "layer_effects",
    "localize",
    "path_figure",
    "position_heatmap",
    "steering_at",
    "verify",
]
