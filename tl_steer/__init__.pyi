"""What `tl_steer` has; `__init__.py` loads each when it is first used."""

from .activations.activations import Activations
from .activations.capture import capture
from .activations.leave_out import LeaveOut
from .activations.reads import AnswerToken, EveryToken, LastToken, MeanOfTokens, TokenAt
from .activations.span_reads import (
    InSpans,
    first_response_token,
    last_response_token,
    response_tokens,
)
from .activations.tokens_read import tokens_read
from .causal.activation_patching import activation_patching
from .causal.attribution_patching import attribution_patching
from .causal.direct_effect import direct_effect
from .causal.few_shot import FewShot, few_shot
from .causal.function_vectors import function_vector, head_effects
from .causal.localization import Localization
from .causal.localize import localize
from .causal.metrics import Divergence, LogitDifference, LogProbability, ProbeScore
from .causal.modes import Denoising, MeanAblation, Noising, ZeroAblation
from .causal.path_effects import PathEffects
from .causal.positions import AllPositions, AtPosition, EachPosition
from .causal.sites import Site
from .causal.steering_at import steering_at
from .causal.verify import AttributionFailsWarning, Verification, verify
from .data.checks import check
from .data.contrast import ContrastSet
from .data.conversations import conversations
from .data.own_sets import (
    english_french,
    formal_informal,
    medical_everyday,
    neutral_background,
    optimism_pessimism,
    past_present,
    polite_rude,
    refusal_compliance,
)
from .data.packaged_model import packaged_model
from .data.preferences import Preferences
from .data.questions import MultipleChoice
from .data.reviews import imdb, rotten_tomatoes
from .diagnostics.confounds import confounds
from .diagnostics.diagnosis import Diagnosis, diagnose
from .diagnostics.interference import Interference, interference
from .diagnostics.projections import token_projections
from .diagnostics.roc import roc_figure
from .diagnostics.similarity import between_estimators, between_layers
from .diagnostics.unembedding import top_tokens
from .diagnostics.verdict import Thresholds
from .directions.class_means import negative_mean, positive_mean
from .directions.conceptor import ClassConceptors, Conceptor, conceptors
from .directions.direction import Direction
from .directions.directions import Directions
from .directions.head_selection import head_probes, in_standard_deviations, only_heads
from .directions.leace import Erasure, leace
from .directions.logistic_probe import logistic_probe
from .directions.mean_centring import mean_centring
from .directions.mean_difference import mean_difference
from .directions.paired_difference import paired_differences, paired_mean_difference
from .directions.principal_component import (
    paired_principal_component,
    principal_component,
)
from .directions.sums import orthogonalised
from .directions.transport import TransportMap, linear_transport
from .directions.whitened_mean_difference import whitened_mean_difference
from .errors import SteerError
from .evaluation.causal_figures import (
    attribution_scatter,
    head_heatmap,
    layer_effects,
    position_heatmap,
)
from .evaluation.classifier_judge import FunctionJudge, classifier_judge, function_judge
from .evaluation.controlled import Controlled
from .evaluation.diversity import distinct_n, repetition
from .evaluation.formality_judge import formality_judge
from .evaluation.likelihood_contrast import likelihood_contrast, likelihood_contrasts
from .evaluation.llm_judge import LlmJudge, llm_judge
from .evaluation.measure import measure
from .evaluation.multiple_choice import Accuracy, accuracy
from .evaluation.path_figure import path_figure
from .evaluation.perplexity import perplexity
from .evaluation.relevance import relevance
from .evaluation.sentiment_judge import sentiment_judge
from .evaluation.side_effects import SideEffects, neutral_kl, side_effects
from .evaluation.statistics import (
    chance_of_sigma,
    holm,
    paired_difference,
    rank_p_value,
    sigma_above,
)
from .evaluation.steerability import Steerability, steerability
from .evaluation.trained_judge import train_judge
from .evaluation.training_curve import training_curve
from .evaluation.vader import vader_judge
from .experiments.calibrate import calibrate
from .experiments.calibration import Calibration, OperatingPoint
from .experiments.constraints import Constraints
from .experiments.control_conditions import Controls
from .experiments.controls import against_controls, each_against_controls
from .experiments.optuna_search import Optuna
from .experiments.study import study
from .experiments.sweep import sweep
from .experiments.swept import Swept
from .generation.generate import compare, generate
from .generation.generations import Generations
from .generation.sampling import Sampling
from .interventions.ablate import Ablate
from .interventions.add import Add
from .interventions.affine_edit import AffineEdit, affine_edit
from .interventions.custom import Custom
from .interventions.emphasize import AtLeast, Emphasize, Rescale
from .interventions.erase import Erase
from .interventions.heads import OnHeads
from .interventions.keep_norm import KeepNorm
from .interventions.replace import Replace
from .interventions.rotate import Rotate
from .interventions.scale_along import ScaleAlong
from .interventions.set_projection import SetProjection
from .interventions.slerp import Slerp
from .interventions.steer_conceptor import ApplyConceptor
from .interventions.transport import Transport
from .lens.loading import load_local
from .lens.paths import use_path
from .lens.tokens import Chat
from .people.agreement import Agreement
from .people.question import Question
from .people.ratings import Ratings
from .people.read_back import read_ratings
from .people.saving import SavedSheet
from .people.sheet import RatingSheet, rating_sheet
from .reports.as_html import report_html
from .reports.as_markdown import report_markdown
from .reports.examples import examples
from .reports.figures import dose_effect_curves, pareto, pareto_front
from .reports.heatmap import layer_strength_heatmap
from .reports.per_prompt import anti_steerable, effects_per_prompt, of_setting
from .reports.results import StudyResults
from .reports.spread_figures import per_prompt_spread, sigma_bars
from .reports.verdicts import verdict_table, verdicts
from .robustness.across_layers import AcrossLayers, across_layers
from .robustness.drift import Drift, drift
from .robustness.elsewhere import Elsewhere, holds_elsewhere
from .robustness.flip import DosesToFlip, dose_to_flip
from .robustness.perturbation import Perturbations, smallest_perturbation
from .robustness.transfer import ActivationMap, fit_map, moved_to
from .scopes.attends import AttendsTo
from .scopes.characters import Characters
from .scopes.combined import AllOf, AnyOf, Not
from .scopes.conditions import Projects, Similar
from .scopes.keywords import Keywords, Matching
from .scopes.latched import Latched
from .scopes.nth_generated import NthGenerated
from .scopes.per_prompt import PerPrompt
from .scopes.positions import (
    Positions,
    everywhere,
    generated,
    last_prompt_token,
    prompt,
)
from .scopes.roles import role
from .scopes.sentences import Sentences
from .scopes.threshold import fit_threshold
from .steering import Steering, steer
from .strengths.adapted import AsNeeded
from .strengths.attention import AttentionTo
from .strengths.dose import Dose
from .strengths.ellipsoid import Ellipsoid
from .strengths.hold_projection import HoldProjection
from .strengths.in_distribution import WithinDistribution
from .strengths.product import Product
from .strengths.schedules import ByIndex, ExponentialDecay, FirstTokens, LinearDecay, WarmUp
from .tuning.bipo import bipo, preference_margins
from .tuning.equal_kl import dose_at_kl, mean_kl, strengths_at_kl
from .tuning.incremental_transport import incremental_transport
from .tuning.kl_budget import StrengthsWithinKL, strength_within_kl
from .tuning.melbo import Elicited, melbo
from .tuning.prompt_pair import activation_addition, front_aligned
from .tuning.reft import reft_r1
from .tuning.sae_features import SaeFeatures, sae_features
from .tuning.training import Trained

__all__ = [
    "Ablate",
    "Accuracy",
    "AcrossLayers",
    "ActivationMap",
    "Activations",
    "Add",
    "AffineEdit",
    "Agreement",
    "AllOf",
    "AllPositions",
    "AnswerToken",
    "AnyOf",
    "ApplyConceptor",
    "AsNeeded",
    "AtLeast",
    "AtPosition",
    "AttendsTo",
    "AttentionTo",
    "AttributionFailsWarning",
    "ByIndex",
    "Calibration",
    "Characters",
    "Chat",
    "ClassConceptors",
    "Conceptor",
    "Constraints",
    "ContrastSet",
    "Controlled",
    "Controls",
    "Custom",
    "Denoising",
    "Diagnosis",
    "Direction",
    "Directions",
    "Divergence",
    "Dose",
    "DosesToFlip",
    "Drift",
    "EachPosition",
    "Elicited",
    "Ellipsoid",
    "Elsewhere",
    "Emphasize",
    "Erase",
    "Erasure",
    "EveryToken",
    "ExponentialDecay",
    "FewShot",
    "FirstTokens",
    "FunctionJudge",
    "Generations",
    "HoldProjection",
    "InSpans",
    "Interference",
    "KeepNorm",
    "Keywords",
    "LastToken",
    "Latched",
    "LeaveOut",
    "LinearDecay",
    "LlmJudge",
    "Localization",
    "LogProbability",
    "LogitDifference",
    "Matching",
    "MeanAblation",
    "MeanOfTokens",
    "MultipleChoice",
    "Noising",
    "Not",
    "NthGenerated",
    "OnHeads",
    "OperatingPoint",
    "Optuna",
    "PathEffects",
    "PerPrompt",
    "Perturbations",
    "Positions",
    "Preferences",
    "ProbeScore",
    "Product",
    "Projects",
    "Question",
    "RatingSheet",
    "Ratings",
    "Replace",
    "Rescale",
    "Rotate",
    "SaeFeatures",
    "Sampling",
    "SavedSheet",
    "ScaleAlong",
    "Sentences",
    "SetProjection",
    "SideEffects",
    "Similar",
    "Site",
    "Slerp",
    "SteerError",
    "Steerability",
    "Steering",
    "StrengthsWithinKL",
    "StudyResults",
    "Swept",
    "Thresholds",
    "TokenAt",
    "Trained",
    "Transport",
    "TransportMap",
    "Verification",
    "WarmUp",
    "WithinDistribution",
    "ZeroAblation",
    "accuracy",
    "across_layers",
    "activation_addition",
    "activation_patching",
    "affine_edit",
    "against_controls",
    "anti_steerable",
    "attribution_patching",
    "attribution_scatter",
    "between_estimators",
    "between_layers",
    "bipo",
    "calibrate",
    "capture",
    "chance_of_sigma",
    "check",
    "classifier_judge",
    "compare",
    "conceptors",
    "confounds",
    "conversations",
    "diagnose",
    "direct_effect",
    "distinct_n",
    "dose_at_kl",
    "dose_effect_curves",
    "dose_to_flip",
    "drift",
    "each_against_controls",
    "effects_per_prompt",
    "english_french",
    "everywhere",
    "examples",
    "few_shot",
    "first_response_token",
    "fit_map",
    "fit_threshold",
    "formal_informal",
    "formality_judge",
    "front_aligned",
    "function_judge",
    "function_vector",
    "generate",
    "generated",
    "head_effects",
    "head_heatmap",
    "head_probes",
    "holds_elsewhere",
    "holm",
    "imdb",
    "in_standard_deviations",
    "incremental_transport",
    "interference",
    "last_prompt_token",
    "last_response_token",
    "layer_effects",
    "layer_strength_heatmap",
    "leace",
    "likelihood_contrast",
    "likelihood_contrasts",
    "linear_transport",
    "llm_judge",
    "load_local",
    "localize",
    "logistic_probe",
    "mean_centring",
    "mean_difference",
    "mean_kl",
    "measure",
    "medical_everyday",
    "melbo",
    "moved_to",
    "negative_mean",
    "neutral_background",
    "neutral_kl",
    "of_setting",
    "only_heads",
    "optimism_pessimism",
    "orthogonalised",
    "packaged_model",
    "paired_difference",
    "paired_differences",
    "paired_mean_difference",
    "paired_principal_component",
    "pareto",
    "pareto_front",
    "past_present",
    "path_figure",
    "per_prompt_spread",
    "perplexity",
    "polite_rude",
    "position_heatmap",
    "positive_mean",
    "preference_margins",
    "principal_component",
    "prompt",
    "rank_p_value",
    "rating_sheet",
    "read_ratings",
    "reft_r1",
    "refusal_compliance",
    "relevance",
    "repetition",
    "report_html",
    "report_markdown",
    "response_tokens",
    "roc_figure",
    "role",
    "rotten_tomatoes",
    "sae_features",
    "sentiment_judge",
    "side_effects",
    "sigma_above",
    "sigma_bars",
    "smallest_perturbation",
    "steer",
    "steerability",
    "steering_at",
    "strength_within_kl",
    "strengths_at_kl",
    "study",
    "sweep",
    "token_projections",
    "tokens_read",
    "top_tokens",
    "train_judge",
    "training_curve",
    "use_path",
    "vader_judge",
    "verdict_table",
    "verdicts",
    "verify",
    "whitened_mean_difference",
]
