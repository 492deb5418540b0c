"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._averages import kind_of as kind_of, require as require
from ._examples import examples
from ._figures import dose_effect_curves
from ._heatmap import layer_strength_heatmap
from ._pareto import pareto, pareto_front
from ._per_prompt import anti_steerable, effects_per_prompt, of_setting
from ._rendering import report_html, report_markdown
from ._results import StudyResults
from ._spread_figures import per_prompt_spread, sigma_bars
from ._verdicts import headline, verdict_table, verdicts

__all__ = [
    "StudyResults",
    "anti_steerable",
    "dose_effect_curves",
    "effects_per_prompt",
    "examples",
    "headline",
    "layer_strength_heatmap",
    "of_setting",
    "pareto",
    "pareto_front",
    "per_prompt_spread",
    "report_html",
    "report_markdown",
    "sigma_bars",
    "verdict_table",
    "verdicts",
]
