"""Activation steering for TransformerLens models."""

from tl_steer.activations.activations import Activations
from tl_steer.activations.leave_out import LeaveOut
from tl_steer.activations.reads import AnswerToken, EveryToken, LastToken, MeanOfTokens, TokenAt
from tl_steer.activations.span_reads import (
    InSpans,
    first_response_token,
    last_response_token,
    response_tokens,
)
from tl_steer.activations.tokens_read import tokens_read
from tl_steer.capture import capture
from tl_steer.causal.activation_patching import activation_patching
from tl_steer.causal.attribution_patching import attribution_patching
from tl_steer.causal.direct_effect import direct_effect
from tl_steer.causal.few_shot import FewShot, few_shot
from tl_steer.causal.function_vectors import function_vector, head_effects
from tl_steer.causal.localization import Localization
from tl_steer.causal.localize import localize
from tl_steer.causal.metrics import Divergence, LogitDifference, LogProbability, ProbeScore
from tl_steer.causal.modes import Denoising, MeanAblation, Noising, ZeroAblation
from tl_steer.causal.path_effects import PathEffects
from tl_steer.causal.positions import AllPositions, AtPosition, EachPosition
from tl_steer.causal.sites import Site
from tl_steer.causal.steering_at import steering_at
from tl_steer.causal.verify import AttributionFailsWarning, Verification, verify
from tl_steer.data.checks import check
from tl_steer.data.contrast import ContrastSet
from tl_steer.data.conversations import conversations
from tl_steer.data.own_sets import (
    english_french,
    formal_informal,
    medical_everyday,
    neutral_background,
    optimism_pessimism,
    past_present,
    polite_rude,
    refusal_compliance,
)
from tl_steer.data.packaged_model import packaged_model
from tl_steer.data.preferences import Preferences
from tl_steer.data.questions import MultipleChoice
from tl_steer.data.reviews import imdb, rotten_tomatoes
from tl_steer.diagnostics.confounds import confounds
from tl_steer.diagnostics.diagnosis import Diagnosis, diagnose
from tl_steer.diagnostics.interference import Interference, interference
from tl_steer.diagnostics.projections import token_projections
from tl_steer.diagnostics.roc import roc_figure
from tl_steer.diagnostics.similarity import between_estimators, between_layers
from tl_steer.diagnostics.unembedding import top_tokens
from tl_steer.diagnostics.verdict import Thresholds
from tl_steer.directions.class_means import negative_mean, positive_mean
from tl_steer.directions.conceptor import ClassConceptors, Conceptor, conceptors
from tl_steer.directions.direction import Direction
from tl_steer.directions.directions import Directions
from tl_steer.directions.head_selection import head_probes, in_standard_deviations, only_heads
from tl_steer.directions.leace import Erasure, leace
from tl_steer.directions.logistic_probe import logistic_probe
from tl_steer.directions.mean_centring import mean_centring
from tl_steer.directions.mean_difference import mean_difference
from tl_steer.directions.paired_difference import paired_differences, paired_mean_difference
from tl_steer.directions.principal_component import (
    paired_principal_component,
    principal_component,
)
from tl_steer.directions.sums import orthogonalised
from tl_steer.directions.transport import TransportMap, linear_transport
from tl_steer.directions.whitened_mean_difference import whitened_mean_difference
from tl_steer.errors import SteerError
from tl_steer.evaluation.causal_figures import (
    attribution_scatter,
    head_heatmap,
    layer_effects,
    position_heatmap,
)
from tl_steer.evaluation.classifier_judge import FunctionJudge, classifier_judge, function_judge
from tl_steer.evaluation.controlled import Controlled
from tl_steer.evaluation.diversity import distinct_n, repetition
from tl_steer.evaluation.formality_judge import formality_judge
from tl_steer.evaluation.likelihood_contrast import likelihood_contrast, likelihood_contrasts
from tl_steer.evaluation.llm_judge import LlmJudge, llm_judge
from tl_steer.evaluation.measure import measure
from tl_steer.evaluation.multiple_choice import Accuracy, accuracy
from tl_steer.evaluation.path_figure import path_figure
from tl_steer.evaluation.perplexity import perplexity
from tl_steer.evaluation.relevance import relevance
from tl_steer.evaluation.sentiment_judge import sentiment_judge
from tl_steer.evaluation.side_effects import SideEffects, neutral_kl, side_effects
from tl_steer.evaluation.statistics import (
    chance_of_sigma,
    holm,
    paired_difference,
    rank_p_value,
    sigma_above,
)
from tl_steer.evaluation.steerability import Steerability, steerability
from tl_steer.evaluation.trained_judge import train_judge
from tl_steer.evaluation.training_curve import training_curve
from tl_steer.evaluation.vader import vader_judge
from tl_steer.experiments.calibrate import calibrate
from tl_steer.experiments.calibration import Calibration, OperatingPoint
from tl_steer.experiments.constraints import Constraints
from tl_steer.experiments.control_conditions import Controls
from tl_steer.experiments.controls import against_controls, each_against_controls
from tl_steer.experiments.optuna_search import Optuna
from tl_steer.experiments.study import study
from tl_steer.experiments.sweep import sweep
from tl_steer.experiments.swept import Swept
from tl_steer.generation.generate import compare, generate
from tl_steer.generation.generations import Generations
from tl_steer.generation.sampling import Sampling
from tl_steer.interventions.ablate import Ablate
from tl_steer.interventions.add import Add
from tl_steer.interventions.affine_edit import AffineEdit, affine_edit
from tl_steer.interventions.custom import Custom
from tl_steer.interventions.emphasize import AtLeast, Emphasize, Rescale
from tl_steer.interventions.erase import Erase
from tl_steer.interventions.heads import OnHeads
from tl_steer.interventions.keep_norm import KeepNorm
from tl_steer.interventions.replace import Replace
from tl_steer.interventions.rotate import Rotate
from tl_steer.interventions.scale_along import ScaleAlong
from tl_steer.interventions.set_projection import SetProjection
from tl_steer.interventions.slerp import Slerp
from tl_steer.interventions.steer_conceptor import ApplyConceptor
from tl_steer.interventions.transport import Transport
from tl_steer.lens.loading import load_local
from tl_steer.lens.paths import use_path
from tl_steer.lens.tokens import Chat
from tl_steer.people.agreement import Agreement
from tl_steer.people.question import Question
from tl_steer.people.ratings import Ratings
from tl_steer.people.read_back import read_ratings
from tl_steer.people.saving import SavedSheet
from tl_steer.people.sheet import RatingSheet, rating_sheet
from tl_steer.reports.as_html import report_html
from tl_steer.reports.as_markdown import report_markdown
from tl_steer.reports.examples import examples
from tl_steer.reports.figures import dose_effect_curves, pareto, pareto_front
from tl_steer.reports.heatmap import layer_strength_heatmap
from tl_steer.reports.per_prompt import anti_steerable, effects_per_prompt, of_setting
from tl_steer.reports.results import StudyResults
from tl_steer.reports.spread_figures import per_prompt_spread, sigma_bars
from tl_steer.reports.verdicts import verdict_table, verdicts
from tl_steer.robustness.across_layers import AcrossLayers, across_layers
from tl_steer.robustness.drift import Drift, drift
from tl_steer.robustness.elsewhere import Elsewhere, holds_elsewhere
from tl_steer.robustness.flip import DosesToFlip, dose_to_flip
from tl_steer.robustness.perturbation import Perturbations, smallest_perturbation
from tl_steer.robustness.transfer import ActivationMap, fit_map, moved_to
from tl_steer.scopes.attends import AttendsTo
from tl_steer.scopes.characters import Characters
from tl_steer.scopes.combined import AllOf, AnyOf, Not
from tl_steer.scopes.conditions import Projects, Similar
from tl_steer.scopes.keywords import Keywords, Matching
from tl_steer.scopes.latched import Latched
from tl_steer.scopes.nth_generated import NthGenerated
from tl_steer.scopes.per_prompt import PerPrompt
from tl_steer.scopes.positions import (
    Positions,
    everywhere,
    generated,
    last_prompt_token,
    prompt,
)
from tl_steer.scopes.roles import role
from tl_steer.scopes.sentences import Sentences
from tl_steer.scopes.threshold import fit_threshold
from tl_steer.steering import Steering, steer
from tl_steer.strengths.adapted import AsNeeded
from tl_steer.strengths.attention import AttentionTo
from tl_steer.strengths.dose import Dose
from tl_steer.strengths.ellipsoid import Ellipsoid
from tl_steer.strengths.hold_projection import HoldProjection
from tl_steer.strengths.in_distribution import WithinDistribution
from tl_steer.strengths.product import Product
from tl_steer.strengths.schedules import ByIndex, ExponentialDecay, FirstTokens, LinearDecay, WarmUp
from tl_steer.tuning.bipo import bipo, preference_margins
from tl_steer.tuning.equal_kl import dose_at_kl, mean_kl, strengths_at_kl
from tl_steer.tuning.incremental_transport import incremental_transport
from tl_steer.tuning.kl_budget import StrengthsWithinKL, strength_within_kl
from tl_steer.tuning.melbo import Elicited, melbo
from tl_steer.tuning.prompt_pair import activation_addition, front_aligned
from tl_steer.tuning.reft import reft_r1
from tl_steer.tuning.sae_features import SaeFeatures, sae_features
from tl_steer.tuning.training import Trained

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
